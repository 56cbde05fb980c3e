"""The `predict` command: segmentation of images or a video."""

import argparse

from keras_lraspp.cli.flags import (
    Command,
    add_config_flags,
    add_inference_flags,
    add_weights_flag,
    call_run,
    inference_arguments,
)


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser)
    add_weights_flag(parser, exports=True)
    parser.add_argument(
        "--input",
        dest="input_path",
        required=True,
        metavar="PATH",
        help="what to segment: an image, a folder, a quoted pattern as "
        '"photos/**/*.jpg", a .txt file with an image per line, or a video',
    )
    parser.add_argument(
        "--output_dir", required=True, metavar="DIR", help="folder of the results"
    )
    parser.add_argument(
        "--outputs",
        metavar="KIND,KIND,...",
        help="some of labels, color, overlay, probabilities (default: the first three; "
        "of a video the overlay)",
    )
    parser.add_argument(
        "--label_ids",
        action="store_true",
        default=None,
        help="write Cityscapes' labelIds, 7 to 33, as labels, not trainIds, 0 to 18",
    )
    parser.add_argument(
        "--palette", metavar="FILE", help="other colours, as JSON or text"
    )
    parser.add_argument(
        "--opacity", type=float, help="of the colours in overlays, 0 to 1"
    )
    parser.add_argument(
        "--legend",
        action="store_true",
        default=None,
        help="name the colours in a strip under each overlay",
    )
    parser.add_argument(
        "--max_pixels",
        type=int,
        metavar="N",
        help="refuse images of more pixels, height times width (default: 67108864)",
    )
    add_inference_flags(parser)


def _run(flags: argparse.Namespace) -> int:
    outputs = flags.outputs and [kind.strip() for kind in flags.outputs.split(",")]
    call_run("predict", flags, outputs=outputs, **inference_arguments(flags))
    return 0


PREDICT_COMMAND = Command("predict", "segment images or a video", _add_flags, _run)
