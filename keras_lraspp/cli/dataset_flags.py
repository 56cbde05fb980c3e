"""Flags of the tools that go through a data set."""

import argparse

from keras_lraspp.cli.command import load_flags, names
from keras_lraspp.errors import InputError


def add_dataset_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what names the data set, and `--root`, `--split` and `--workers`."""
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="as in a configuration: Cityscapes, ADE20K, VOC2012, CamVid, ...",
    )
    parser.add_argument(
        "--gin_file",
        action="append",
        default=[],
        metavar="FILE",
        help="a configuration that names the data set, instead of --dataset",
    )
    parser.add_argument(
        "--gin_bindings",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME.PARAMETER=VALUE",
        help='one value of the data set, as "FileList.num_classes=3"; may be repeated',
    )
    parser.add_argument(
        "--root", metavar="DIR", help="folder of the data (default: data/<name>)"
    )
    parser.add_argument(
        "--split",
        default="train,val",
        metavar="NAMES",
        help="splits, with commas between them (default: train,val)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="files at a time (default: one per processor)",
    )


def load_dataset_flags(flags: argparse.Namespace, run: str) -> dict[str, object]:
    """Loads the configuration, and returns the run's arguments that the flags say.

    Args:
        flags: As parsed.
        run: Name of the run, whose `dataset` the flag gives.

    Raises:
        InputError: For flags that do not go together, or a faulty configuration.
    """
    if bool(flags.dataset) == bool(flags.gin_file):
        raise InputError(
            f"Which data set to {flags.tool} is said by --dataset or by --gin_file; "
            f"give one."
        )
    if flags.workers is not None and flags.workers < 1:
        raise InputError(f"--workers is at least 1, not {flags.workers}.")
    splits = tuple(filter(None, names(flags.split)))
    if not splits:
        raise InputError("--split names no split; give one, as --split=train.")
    if flags.dataset:
        flags.gin_bindings.insert(0, f"{run}.dataset = @{flags.dataset}")
    load_flags(flags)
    return {"data_root": flags.root, "splits": splits, "workers": flags.workers}
