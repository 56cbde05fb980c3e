"""The command that scores a network on a data set."""

import argparse

from keras_lraspp.cli.flags import (
    Command,
    add_config_flags,
    add_data_root_flag,
    add_inference_flags,
    add_weights_flag,
    inference_arguments,
    load_flags,
)


def _add_evaluate_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser)
    add_data_root_flag(parser)
    add_weights_flag(parser, exports=True)
    parser.add_argument("--split", help="split to score on (default: val)")
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
    parser.add_argument("--json", metavar="FILE", help="write the scores there too")
    parser.add_argument(
        "--confusion",
        metavar="PREFIX",
        help="write the confusion matrix to PREFIX.csv and PREFIX.png",
    )


def _evaluate(flags: argparse.Namespace) -> int:
    load_flags(flags)
    from keras_lraspp.config import call

    call(
        "evaluate",
        weights=flags.weights,
        data_root=flags.data_root,
        split=flags.split,
        json_path=flags.json,
        confusion_path=flags.confusion,
        protocol=flags.protocol,
        compare=flags.compare,
        submission=flags.submission,
        **inference_arguments(flags),
    )
    return 0


EVALUATE_COMMAND = Command(
    "evaluate", "score it on a data set", _add_evaluate_flags, _evaluate
)
