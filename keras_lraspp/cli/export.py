"""The `export` command: a network for other runtimes."""

import argparse

from keras_lraspp.cli.flags import (
    Command,
    add_classes_flag,
    add_config_flags,
    add_data_root_flag,
    add_dataset_flag,
    add_weights_flag,
    bind_dataset,
    call_run,
    read_size,
    split_names,
)


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_weights_flag(parser)
    parser.add_argument(
        "--output_dir",
        metavar="DIR",
        help="gets the files; of SavedModels, the folder of all versions (default: "
        "output/exported)",
    )
    add_dataset_flag(parser)
    add_data_root_flag(parser)
    add_config_flags(parser)
    add_classes_flag(parser)
    parser.add_argument(
        "--format",
        dest="formats",
        type=split_names,
        metavar="NAME,...",
        help="some of saved_model, onnx, litert (default: saved_model)",
    )
    parser.add_argument(
        "--size",
        metavar="HEIGHTxWIDTH",
        help="of the images (default: any; LiteRT needs one)",
    )
    parser.add_argument(
        "--outputs",
        type=split_names,
        metavar="NAME,...",
        help="of ONNX and LiteRT: some of labels, logits, probabilities (default: "
        "labels)",
    )
    parser.add_argument(
        "--precision",
        dest="precisions",
        type=split_names,
        metavar="NAME,...",
        help="a file for each: of LiteRT some of float32, float16, dynamic, int8; of "
        "ONNX float32, int8 (default: float32)",
    )
    parser.add_argument(
        "--calibration_images",
        type=int,
        metavar="N",
        help="images of the training set to calibrate int8 on (default: 100)",
    )
    parser.add_argument(
        "--certificate_images",
        type=int,
        metavar="N",
        help="images of the validation set to measure the mIoU of int8 and dynamic on "
        "(default: 100)",
    )
    parser.add_argument(
        "--model_version",
        dest="version",
        type=int,
        metavar="N",
        help="number of the SavedModel (default: 1)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", default=None, help="replace what is there"
    )


def _run(flags: argparse.Namespace) -> int:
    bind_dataset("export", flags, needed=False)
    call_run("export", flags, size=read_size("--size", flags.size))
    return 0


EXPORT_COMMAND = Command(
    "export",
    "write a network for other runtimes: SavedModel, ONNX, LiteRT",
    _add_flags,
    _run,
    "--weights=best.keras --format=onnx",
)
