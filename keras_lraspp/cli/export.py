"""The command that writes a network for other runtimes."""

import argparse

from keras_lraspp.cli.flags import (
    Command,
    add_config_flags,
    add_data_root_flag,
    add_weights_flag,
    load_flags,
    names,
    size,
)


def _add_export_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser)
    add_data_root_flag(parser)
    add_weights_flag(parser)
    parser.add_argument(
        "--output_dir",
        required=True,
        metavar="DIR",
        help="gets the files; of SavedModels, the folder of all versions",
    )
    parser.add_argument(
        "--format",
        type=names,
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
        type=names,
        metavar="NAME,...",
        help="of ONNX and LiteRT: some of labels, logits, probabilities (default: "
        "labels)",
    )
    parser.add_argument(
        "--precision",
        type=names,
        metavar="NAME,...",
        help="of LiteRT, a file for each: some of float32, float16, dynamic, int8 "
        "(default: float32)",
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
        "--version", type=int, help="number of the SavedModel (default: 1)"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        default=None,
        help="replace what is there",
    )


def _export(flags: argparse.Namespace) -> int:
    image_size = size(flags.size) if flags.size else None
    load_flags(flags)
    from keras_lraspp.config import call

    call(
        "export",
        weights=flags.weights,
        data_root=flags.data_root,
        output_dir=flags.output_dir,
        formats=flags.format,
        size=image_size,
        outputs=flags.outputs,
        precisions=flags.precision,
        calibration_images=flags.calibration_images,
        certificate_images=flags.certificate_images,
        version=flags.version,
        overwrite=flags.overwrite,
    )
    return 0


EXPORT_COMMAND = Command(
    "export", "write it for other runtimes", _add_export_flags, _export
)
