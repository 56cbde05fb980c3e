"""The `evaluate` command: scores of a network on a data set."""

import argparse

from keras_lraspp.cli.flags import (
    Command,
    add_config_flags,
    add_data_root_flag,
    add_dataset_flag,
    add_inference_flags,
    add_weights_flag,
    bind_dataset,
    call_run,
    inference_arguments,
)


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_weights_flag(parser, exports=True)
    add_dataset_flag(parser)
    add_data_root_flag(parser)
    add_config_flags(parser)
    parser.add_argument(
        "--split", metavar="NAME", help="split to score on (default: val)"
    )
    add_inference_flags(parser)
    parser.add_argument(
        "--protocol",
        metavar="published",
        help="score plain, with flip, and with scales and flip, beside the published "
        "row",
    )
    parser.add_argument(
        "--compare", metavar="FILE", help="weights of another model to compare with"
    )
    parser.add_argument(
        "--submission",
        metavar="FILE.zip",
        help="write predictions as Cityscapes' server wants them",
    )
    parser.add_argument(
        "--json", dest="json_path", metavar="FILE", help="write the scores there too"
    )
    parser.add_argument(
        "--confusion",
        dest="confusion_path",
        metavar="PREFIX",
        help="write the confusion matrix to PREFIX.csv and PREFIX.png",
    )


def _run(flags: argparse.Namespace) -> int:
    bind_dataset("evaluate", flags)
    call_run("evaluate", flags, **inference_arguments(flags))
    return 0


EVALUATE_COMMAND = Command(
    "evaluate",
    "score a network on a data set: mIoU and more",
    _add_flags,
    _run,
    "--weights=best.keras --dataset=Cityscapes --data_root=data/cityscapes",
)
