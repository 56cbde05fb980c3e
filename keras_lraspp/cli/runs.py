"""The commands that call one run each: train, evaluate, predict, export."""

import argparse
from pathlib import Path

from keras_lraspp.cli.command import (
    Command,
    add_config_flags,
    add_data_root_flag,
    add_weights_flag,
    load_flags,
    size,
    spelling,
)


def _add_train_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser)
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
    )
    print(_summary(result, flags, output_dir))
    return 128 + result.signal if result.signal else 0


def _summary(result, flags: argparse.Namespace, output_dir: Path) -> str:
    """Says what a training came to and what to type next."""
    same = " ".join(f"--gin_file={name}" for name in flags.gin_file)
    root = f" --data_root={flags.data_root}" if flags.data_root else ""
    lines = []
    if result.best_miou is not None:
        lines.append(
            f"best validation mIoU {result.best_miou:.4f}, after iteration "
            f"{result.best_step}: {result.best_path}"
        )
    if result.signal:
        again = f"{same}{root} --output_dir={output_dir} --resume"
        lines.append(f"stopped after iteration {result.step}; to go on:")
        lines.append(f"  {spelling('train')} {again}")
    elif result.best_miou is not None:
        weights = f"{same} --weights={result.best_path}"
        pictures = f"--output_dir={output_dir / 'predictions'}"
        lines.append("next:")
        lines.append(f"  {spelling('evaluate')} {weights}{root}")
        lines.append(
            f"  {spelling('predict')} {weights} --input=IMAGE_OR_FOLDER {pictures}"
        )
    return "\n".join(lines)


def _add_evaluate_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser)
    add_data_root_flag(parser)
    add_weights_flag(parser)
    parser.add_argument("--split", help="split to score on (default: val)")
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
    )
    return 0


def _add_predict_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser)
    add_weights_flag(parser)
    parser.add_argument(
        "--input", required=True, metavar="IMAGE_OR_FOLDER", help="what to segment"
    )
    parser.add_argument(
        "--output_dir", required=True, metavar="DIR", help="folder of the pictures"
    )
    parser.add_argument(
        "--opacity", type=float, help="of the colours in overlays, 0 to 1"
    )


def _predict(flags: argparse.Namespace) -> int:
    load_flags(flags)
    from keras_lraspp.config import call

    call(
        "predict",
        weights=flags.weights,
        input_path=flags.input,
        output_dir=flags.output_dir,
        opacity=flags.opacity,
    )
    return 0


def _add_export_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser)
    add_weights_flag(parser)
    parser.add_argument(
        "--output_dir", required=True, metavar="DIR", help="folder of all versions"
    )
    parser.add_argument(
        "--size", metavar="HEIGHTxWIDTH", help="of the images (default: any)"
    )
    parser.add_argument("--version", type=int, help="number of the version")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        default=None,
        help="replace the version if it is there",
    )


def _export(flags: argparse.Namespace) -> int:
    image_size = size(flags.size) if flags.size else None
    load_flags(flags)
    from keras_lraspp.config import call

    call(
        "export",
        weights=flags.weights,
        output_dir=flags.output_dir,
        size=image_size,
        version=flags.version,
        overwrite=flags.overwrite,
    )
    return 0


RUN_COMMANDS = (
    Command("train", "train a network", _add_train_flags, _train),
    Command("evaluate", "score it on a data set", _add_evaluate_flags, _evaluate),
    Command("predict", "segment images", _add_predict_flags, _predict),
    Command("export", "write it for another runtime", _add_export_flags, _export),
)
