"""The command that draws a data set: `keras-lraspp data scenes`."""

import argparse
from pathlib import Path

from keras_lraspp.cli.command import Command
from keras_lraspp.cli.quiet_import import import_tensorflow
from keras_lraspp.errors import InputError


def _add_scenes_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", required=True, metavar="DIR", help="folder to fill")
    for flag, default, text in (
        ("--train", 200, "scenes to train on"),
        ("--val", 50, "scenes to validate on"),
        ("--height", 512, "of the images, in pixels"),
        ("--width", 1024, "of the images, in pixels"),
        ("--seed", 0, "other seeds give other scenes"),
    ):
        parser.add_argument(
            flag,
            type=int,
            default=default,
            metavar="N",
            help=f"{text} (default: {default})",
        )


def _scenes(flags: argparse.Namespace) -> int:
    for name in ("train", "val", "height", "width"):
        if getattr(flags, name) < 1:
            raise InputError(f"--{name} is at least 1, not {getattr(flags, name)}.")
    import_tensorflow()
    from keras_lraspp.data import Scenes

    counts = []
    for split in ("train", "val"):
        drawn = Scenes(
            root=Path(flags.root),
            split=split,
            train_scenes=flags.train,
            val_scenes=flags.val,
            height=flags.height,
            width=flags.width,
            seed=flags.seed,
        )
        counts.append(f"{len(drawn)} {split}")
    print(
        f"{' and '.join(counts)} scenes of {flags.height}x{flags.width} are in "
        f"{flags.root}, laid out like Cityscapes"
    )
    return 0


SCENES = Command(
    "scenes", "draw street scenes as a data set", _add_scenes_flags, _scenes
)
