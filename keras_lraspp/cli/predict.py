"""The `predict` command: segmentation of images or a video."""

import argparse
import re

from keras_lraspp.cli.flags import (
    Command,
    add_classes_flag,
    add_config_flags,
    add_inference_flags,
    add_weights_flag,
    call_run,
    inference_arguments,
    split_names,
)
from keras_lraspp.errors import InputError

_BINDING = re.compile(r"=|^\s*(import|include|from)\s")


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help='what to segment: images, folders, quoted patterns as "photos/**/*.jpg", '
        ".txt files with an image per line, videos",
    )
    parser.add_argument("--input", action="append", default=[], help=argparse.SUPPRESS)
    add_weights_flag(parser, exports=True)
    add_config_flags(parser)
    add_classes_flag(parser)
    parser.add_argument(
        "--output_dir",
        metavar="DIR",
        help="folder of the results (default: output/predictions)",
    )
    parser.add_argument(
        "--outputs",
        type=split_names,
        metavar="KIND,...",
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
        "--palette",
        metavar="FILE",
        help="other colours, as JSON or text; or `pictures` or `labels` for those of "
        "overlays or of label pictures in both",
    )
    parser.add_argument(
        "--opacity",
        type=float,
        metavar="SHARE",
        help="of the colours in overlays, 0 to 1 (default: 0.5)",
    )
    parser.add_argument(
        "--legend",
        action="store_true",
        default=None,
        help="name the colours in a strip under each overlay, with their shares",
    )
    parser.add_argument(
        "--min_region",
        type=int,
        metavar="N",
        help="leave regions of fewer pixels out of overlays, never out of labels "
        "(default: 0)",
    )
    parser.add_argument(
        "--max_pixels",
        type=int,
        metavar="N",
        help="refuse images of more pixels, height times width (default: 67108864)",
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "keras", "onnx", "litert"),
        help="what runs the network: keras; onnx (ONNX Runtime) or litert (LiteRT), by "
        "an export that is made once and kept; auto, which is onnx on a CPU for 30 "
        "images and more (default: keras)",
    )
    add_inference_flags(parser)


def _run(flags: argparse.Namespace) -> int:
    inputs = [*vars(flags).pop("inputs"), *vars(flags).pop("input")]
    # --gin_bindings takes all that stands behind it.
    inputs += [word for word in flags.gin_bindings if not _BINDING.search(word)]
    flags.gin_bindings = [word for word in flags.gin_bindings if word not in inputs]
    if not inputs:
        raise InputError(
            "What to segment is missing; name an image, a folder or a video, as in "
            "`keras-lraspp predict photo.jpg --weights=best.keras`."
        )
    call_run("predict", flags, input_path=inputs, **inference_arguments(flags))
    return 0


PREDICT_COMMAND = Command(
    "predict",
    "segment images or videos",
    _add_flags,
    _run,
    "photo.jpg --weights=os8_global_cityscapes",
)
