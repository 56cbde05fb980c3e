"""Sub-commands and the command-line flags that several of them share."""

import argparse
import difflib
import re
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, NoReturn

from keras_lraspp.errors import InputError
from keras_lraspp.terminal import painted

_SIZE = re.compile(r"([1-9]\d{0,5}) ?[,xX] ?([1-9]\d{0,5})")
_CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)")


class Command(NamedTuple):
    """A sub-command."""

    name: str
    summary: str  # one line for the list of commands
    # A flag of a configured run has the run's argument as `dest`, see `call_run`.
    add_flags: Callable[[argparse.ArgumentParser], None]
    # Returns the exit code; `None` if the flags name another command to run.
    run: Callable[[argparse.Namespace], int] | None
    example: str = ""  # what to type after its name


class CommandParser(argparse.ArgumentParser):
    """Reads flags; an error is one line, and guesses what was meant."""

    def __init__(self, **settings):
        """Takes the arguments of `argparse.ArgumentParser`."""
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, formatter_class=form, **settings)

    def parse_known_args(self, args=None, namespace=None):
        """Reads flags and, between them, positional arguments; knows all or ends."""
        self._typed = [*(sys.argv[1:] if args is None else args)]
        self._check_names()  # first: argparse would only say that others are missing
        flags, rest = super().parse_known_args(self._typed, namespace)
        several = [action for action in self._actions if action.nargs == "*"]
        if several:  # argparse takes only those that stand together
            getattr(flags, several[0].dest).extend(rest)
        elif rest:
            self.error(f"there is no place for {rest[0]}")
        return flags, []

    def _check_names(self) -> None:
        known = self._option_string_actions
        for word in self._typed:
            if word == "--" or self._subparsers and word[:1] != "-":
                return  # what follows is not ours
            name = word.partition("=")[0]
            if re.match("--?[a-zA-Z]", name) and name not in known:
                self.error(f"there is no {name}{_did_you_mean(name, known)}")

    def error(self, message: str) -> NoReturn:
        """Ends the process with exit code 2."""
        if choice := _CHOICE.search(message):
            message += _did_you_mean(choice[1], re.findall(r"[\w-]+", choice[2]))
        configs = [word for word in self._typed if re.fullmatch(r"[^-=].*\.gin", word)]
        if "--gin_file" in message and configs:
            message += f"; did you mean --gin_file={configs[0]}?"
        end = "" if message.endswith("?") else "."
        word = painted("error:", "red", sys.stderr)
        self.exit(2, f"{word} {message}{end} See `{self.prog} --help`.\n")


def _did_you_mean(typed: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(typed, known, 1, cutoff=0.55)
    return f"; did you mean {close[0]}?" if close else ""


def add_commands(
    parser: argparse.ArgumentParser,
    commands: Iterable[Command],
    metavar: str,
    *,
    dest: str | None = None,
    parent: str = "",
) -> None:
    """Adds sub-commands to a parser; the parsed flags get the chosen one's `run`.

    `dest` names the parsed flag that holds the command's name, and `parent` is what
    is typed before it, as "data ". Where none is typed the `run` shows the help.
    """
    named = {} if dest is None else {"dest": dest}
    children = parser.add_subparsers(metavar=metavar, title="commands", **named)
    parser.set_defaults(run=lambda flags: parser.print_help() or 0)
    for command in commands:
        typed = command_line(f"{parent}{command.name}")
        example = command.example and f"example:\n  {typed} {command.example}"
        child = children.add_parser(
            command.name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            epilog=example or None,
            prog=typed,
        )
        command.add_flags(child)
        if command.run is not None:
            child.set_defaults(run=command.run)


def command_line(name: str, *arguments: str) -> str:
    """Returns how to type a command, in the way that the running one was.

    E.g. "python evaluate.py" or "keras-lraspp evaluate", with arguments that are quoted
    for a shell where they have to be.
    """
    program = Path(sys.argv[0])
    typed = ["keras-lraspp", *name.split()]
    if program.parts[-2:] == ("keras_lraspp", "__main__.py"):
        typed = ["python", "-m", "keras_lraspp", *name.split()]
    if re.fullmatch(r"(train|evaluate|predict|export)\.py", program.name):
        script = program.with_name(f"{name}.py")
        if script.is_file():
            typed = ["python", str(script)]
    return shlex.join([*typed, *arguments])


def load_flags(flags: argparse.Namespace) -> None:
    """Loads the configuration that `--gin_file` and `--gin_bindings` name."""
    from keras_lraspp.config import load_config

    load_config(flags.gin_file, flags.gin_bindings)


def call_run(name: str, flags: argparse.Namespace, **changes) -> object:
    """Loads the configuration and calls the run that it configures.

    Args:
        name: Name of the run, as "evaluate".
        flags: The parsed flags; all but `run`, `dataset`, `gin_file` and `gin_bindings`
            are arguments of the run. `None` leaves an argument to the configuration.
        changes: Arguments in place of flags as they were typed.
    """
    load_flags(flags)
    from keras_lraspp.config import call

    arguments = {**vars(flags), **changes}
    for flag in ("run", "dataset", "gin_file", "gin_bindings"):
        arguments.pop(flag, None)
    return call(name, **arguments)


def bind_dataset(name: str, flags: argparse.Namespace, needed: bool = True) -> None:
    """Makes `--dataset` a binding of the run of this name.

    Raises `InputError` if `--gin_file` is given too, or if neither is and one is
    `needed`.
    """
    if (
        flags.dataset
        and flags.gin_file
        or needed
        and not (flags.dataset or flags.gin_file)
    ):
        raise InputError(
            "The data set is named by --dataset, as --dataset=Cityscapes, or by "
            "--gin_file; give one of them."
        )
    if flags.dataset:
        from keras_lraspp.data import DATASETS

        names = {row.lower(): row for row in DATASETS}
        row = names.get(flags.dataset.lower())
        if row is None:
            close = difflib.get_close_matches(flags.dataset.lower(), names, 1)
            hint = f"; did you mean {names[close[0]]}" if close else ""
            raise InputError(
                f"There is no data set {flags.dataset}{hint}; --dataset is one of "
                f"{', '.join(DATASETS)}."
            )
        flags.gin_bindings.insert(0, f"{name}.dataset = @{row}")


def add_config_flags(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """Adds `--gin_file` and `--gin_bindings`."""
    parser.add_argument(
        "--gin_file",
        action="append",
        required=required,
        default=None if required else [],
        metavar="FILE",
        help="configuration: a path, or the name of one that comes with the package, "
        "as os8_global.gin; repeat it to override",
    )
    parser.add_argument(
        "--gin_bindings",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME.PARAMETER=VALUE",
        help='one value to override, as "train.iterations=100"; may be repeated',
    )


def add_dataset_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--dataset`, which `bind_dataset` reads."""
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="the data set, as Cityscapes, ADE20K, VOC2012, CamVid or FileList, if "
        "--gin_file does not name it",
    )


def add_data_root_flag(
    parser: argparse.ArgumentParser, required_for: str | None = None
) -> None:
    """Adds `--data_root`; `required_for` says what is in one that must be given."""
    text = required_for or "folder of the data (default: data/<name>)"
    required = required_for is not None
    parser.add_argument("--data_root", required=required, metavar="DIR", help=text)


def add_weights_flag(parser: argparse.ArgumentParser, exports: bool = False) -> None:
    """Adds `--weights`; `exports` says whether an exported file will do."""
    known = "a .keras file, or the name of published weights, as os8_global_cityscapes "
    known += "(`keras-lraspp presets` lists them); or a .pdparams, .pth, .pt or "
    known += ".safetensors file of PaddleSeg, torchvision, fastseg or mmsegmentation"
    if exports:
        known += "; or an export: .onnx, .tflite, or a SavedModel's folder"
    known += "; a .weights.h5 file needs its --gin_file"
    parser.add_argument("--weights", required=True, metavar="FILE", help=known)


def add_classes_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--classes`."""
    parser.add_argument(
        "--classes",
        type=_read_classes,
        metavar="NAME,...",
        help="names of the classes, their number, or cityscapes, ade20k, voc2012 or "
        "camvid (default: those in the weights)",
    )


def _read_classes(text: str) -> str | int | tuple[str, ...]:
    names = split_names(text)
    if len(names) > 1:
        return names
    return int(text) if text.isdecimal() else text


def add_workers_flag(parser: argparse.ArgumentParser, work: str) -> None:
    """Adds `--workers`, which `check_positive` checks."""
    parser.add_argument(
        "--workers", type=int, metavar="N", help=f"{work} (default: one per processor)"
    )


def check_positive(flags: argparse.Namespace, *names: str) -> None:
    """Raises `InputError` for a number below 1 in the flags of these names."""
    for name in names:
        value = getattr(flags, name)
        if value is not None and value < 1:
            raise InputError(f"--{name} is at least 1, not {value}.")


def split_names(text: str) -> tuple[str, ...]:
    """Splits names at commas."""
    return tuple(name.strip() for name in text.split(","))


def read_size(flag: str, text: str | None) -> tuple[int, int] | None:
    """Reads `HEIGHTxWIDTH`, in pixels, of a flag; `None` if it was not given."""
    if text is None:
        return None
    if match := _SIZE.fullmatch(text):
        return int(match[1]), int(match[2])
    raise InputError(
        f"{flag} is HEIGHTxWIDTH in pixels, as 512x1024, not {text!r}; correct it."
    )


def add_inference_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--flip`, `--scales`, `--sliding_window` and `--stride`.

    Those that are not typed are `None`, so that the configuration decides.
    """
    parser.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average with the mirrored image (default: no)",
    )
    parser.add_argument(
        "--scales",
        metavar="S,S,...",
        help="average over the image resized by these factors, as 0.75,1.0,1.25 "
        "(default: 1.0)",
    )
    parser.add_argument(
        "--sliding_window",
        metavar="HEIGHTxWIDTH",
        help="cut the image into windows of this size in pixels (default: none)",
    )
    parser.add_argument(
        "--stride",
        metavar="HEIGHTxWIDTH",
        help="pixels from window to window (default: two thirds of the window)",
    )


def inference_arguments(flags: argparse.Namespace) -> dict:
    """Reads the flags of `add_inference_flags`; `None` where one was not given.

    Whether they go together is for the run to see, which may have some from gin.
    """
    return {
        "flip": flags.flip,
        "scales": _read_scales(flags.scales),
        "sliding_window": read_size("--sliding_window", flags.sliding_window),
        "stride": read_size("--stride", flags.stride),
    }


def _read_scales(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"--scales is a list of factors, as 0.75,1.0,1.25, not {text!r}; correct "
            f"it."
        ) from None
