"""The `train` command: train a network."""

import argparse
from pathlib import Path

from keras_lraspp.cli.flags import (
    Command,
    add_config_flags,
    add_data_root_flag,
    command_line,
    load_flags,
)


def _add_train_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser, required=True)
    add_data_root_flag(parser)
    parser.add_argument(
        "--output_dir",
        metavar="DIR",
        help="folder of this run (default: output/<name of the configuration>)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint in the output folder",
    )
    parser.add_argument(
        "--dry_run",
        action="store_true",
        help="print what the training would be; train and write nothing",
    )
    _add_host_flags(parser)


def _add_host_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="where process 0 of several listens, on JAX; auto: the cluster says it",
    )
    parser.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="how many processes train together (default: the cluster's number)",
    )
    parser.add_argument(
        "--process",
        type=int,
        metavar="I",
        help="which one this is, 0 to N-1 (default: the cluster's index)",
    )


def _train(flags: argparse.Namespace) -> int:
    load_flags(flags)
    from keras_lraspp.config import call, operative_config

    stem = Path(flags.gin_file[-1]).stem
    output_dir = Path(flags.output_dir or Path("output") / stem)
    result = call(
        "train",
        output_dir=output_dir,
        data_root=flags.data_root,
        resume=flags.resume or None,
        operative_config=operative_config,
        coordinator=flags.coordinator,
        processes=flags.processes,
        process=flags.process,
        dry_run=flags.dry_run or None,
    )
    if result is None:  # of a dry run
        return 0
    if result.is_main:
        print(_summary(result, flags, output_dir))
    return 128 + result.signal if result.signal else 0


def _summary(result, flags: argparse.Namespace, output_dir: Path) -> str:
    """Says what a training came to and what to type next."""
    given = [f"--gin_file={name}" for name in flags.gin_file]
    given += [f"--gin_bindings={binding}" for binding in flags.gin_bindings]
    root = [f"--data_root={flags.data_root}"] if flags.data_root else []
    lines = []
    if result.best_miou is not None:
        lines.append(
            f"best validation mIoU {result.best_miou:.4f}, after iteration "
            f"{result.best_step}: {result.best_path}"
        )
    if result.best_ema_miou is not None:
        averaged = result.best_path.with_stem("best_ema")
        lines.append(
            f"best mIoU of averaged weights {result.best_ema_miou:.4f}, after "
            f"iteration {result.best_ema_step}: {averaged}"
        )
    if result.signal:
        hosts = [
            f"--{name}={getattr(flags, name)}"
            for name in ("coordinator", "processes", "process")
            if getattr(flags, name) is not None
        ]
        again = [*given, *root, *hosts, f"--output_dir={output_dir}", "--resume"]
        lines.append(f"stopped after iteration {result.step}; to go on:")
        lines.append(f"  {command_line('train', *again)}")
    elif result.best_miou is not None:
        weights = f"--weights={result.best_path}"
        shown = "IMAGE_OR_FOLDER", weights, f"--output_dir={output_dir}/predictions"
        lines.append("next:")
        lines.append(f"  {command_line('evaluate', *given, weights, *root)}")
        lines.append(f"  {command_line('predict', *shown)}")
    return "\n".join(lines)


TRAIN_COMMAND = Command(
    "train",
    "train a network",
    _add_train_flags,
    _train,
    "--gin_file=quickstart.gin",
)
