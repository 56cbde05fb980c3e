"""The `convert`, `report` and `benchmark` commands, which need no configuration."""

import argparse
from pathlib import Path

from keras_lraspp.cli.flags import Command, read_size, split_names
from keras_lraspp.errors import InputError


def _add_convert_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "weights",
        help="a .pdparams file of PaddleSeg (or a folder or .tar.gz that holds "
        "model.pdparams), a .pth, .pt or .safetensors file of torchvision, fastseg or "
        "mmsegmentation, a .keras file, or a published preset, as "
        "os8_global_cityscapes",
    )
    parser.add_argument(
        "output",
        help="the file to write: .keras, or for the code base that the network is of, "
        ".pdparams (PaddleSeg), .pth, .pt or .safetensors (the others)",
    )
    parser.add_argument(
        "--variant",
        metavar="NAME",
        help="which network the weights are of, as os8_global; needed where several "
        "networks have the same tensors",
    )
    parser.add_argument(
        "--channels",
        type=int,
        metavar="N",
        help="of the images, if not those of the weights: the first layer is adapted, "
        "so that 1 takes grey images as the weights take them in RGB",
    )
    parser.add_argument(
        "--to",
        choices=("paddleseg", "torchvision", "fastseg", "mmseg"),
        help="whose file to write, if the output is no .keras file (default: that of "
        "the network's family; of another it cannot be)",
    )


def _convert(flags: argparse.Namespace) -> int:
    path = convert(
        weights=flags.weights,
        output=flags.output,
        variant=flags.variant,
        channels=flags.channels,
        to=flags.to,
    )
    print(f"wrote {path}")
    return 0


def convert(
    *,
    weights: str | Path,
    output: str | Path,
    variant: str | None = None,
    channels: int | None = None,
    to: str | None = None,
) -> Path:
    """Writes weights of a whole network as a Keras file, or as another code base's.

    The file says its classes: those of the weights if they say them, or of the
    published networks of their family if there are as many, else numbers. See the flags
    for the arguments; returns `output`.
    """
    output = Path(output)
    is_keras = output.name.endswith(".keras")
    if not is_keras and output.suffix not in (
        ".pdparams",
        ".pth",
        ".pt",
        ".safetensors",
    ):
        raise InputError(
            f"The output is a .keras, .pdparams, .pth, .pt or .safetensors file, not "
            f"{output}; rename it."
        )
    if is_keras and to is not None:
        raise InputError(
            f"{output} is a Keras file, which only this library reads; leave out "
            f"--to={to}, or name a .pdparams or .pth file."
        )
    from keras_lraspp.classes import generic_class_set
    from keras_lraspp.models.keras_file import save_network
    from keras_lraspp.models.lraspp import LRASPP
    from keras_lraspp.models.peer_files import save_peer_weights
    from keras_lraspp.models.presets import presumed_classes

    shape = {} if channels is None else {"input_shape": (None, None, channels)}
    network = LRASPP.from_preset(weights, variant=variant, **shape)
    classes = network.classes or presumed_classes(network)
    classes = classes or generic_class_set(network.num_classes)
    if not is_keras:
        return save_peer_weights(network, output, to, classes=classes)
    return save_network(network, output, classes, converted_from=Path(weights).name)


CONVERT_COMMAND = Command(
    "convert",
    "turn weights of other code bases into Keras files, and back",
    _add_convert_flags,
    _convert,
    "os8_global_cityscapes os8_global.keras",
)


def _add_report_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output_dir",
        "--run",
        required=True,
        metavar="DIR",
        help="that of the training",
    )
    parser.add_argument(
        "--compare",
        metavar="DIR",
        help="that of another training on the same data set: make the page that "
        "compares the two, comparison_<name of DIR>.html, in its place",
    )
    parser.add_argument(
        "--data_root",
        metavar="DIR",
        help="folder of the data, if it was moved since the training",
    )


def _report(flags: argparse.Namespace) -> int:
    from keras_lraspp.report.build import report
    from keras_lraspp.report.comparison import compare_runs

    settings = {"run": flags.output_dir, "data_root": flags.data_root}
    if flags.compare is not None:
        print(compare_runs(other=flags.compare, **settings))
    else:
        print(report(**settings))
    return 0


REPORT_COMMAND = Command(
    "report",
    "make the page of a training, report.html, or of two compared",
    _add_report_flags,
    _report,
    "--output_dir=output/quickstart",
)


def _add_benchmark_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--variants",
        type=split_names,
        default=("all",),
        metavar="NAME,...",
        help="names from the table of variants, as os8_global (default: all); their "
        "weights are random, which does not change the time",
    )
    parser.add_argument(
        "--format",
        type=split_names,
        default=("keras",),
        metavar="NAME,...",
        help="some of keras, saved_model, onnx, litert (default: keras)",
    )
    parser.add_argument(
        "--precision",
        type=split_names,
        default=("float32",),
        metavar="NAME,...",
        help="some of float32 (default), int8 for litert and onnx, float16 and "
        "dynamic for litert; says what part of float32's time they take here",
    )
    parser.add_argument(
        "--size",
        default="512x1024",
        metavar="HEIGHTxWIDTH",
        help="of the images (default: 512x1024)",
    )
    parser.add_argument(
        "--channels",
        type=int,
        default=3,
        metavar="N",
        help="of the images (default: 3, RGB)",
    )
    parser.add_argument(
        "--batch_size",
        type=int,
        default=1,
        metavar="N",
        help="images per call (default: 1)",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="of each process (default: all)"
    )
    parser.add_argument(
        "--runs",
        type=int,
        default=20,
        metavar="N",
        help="calls to time, after a warm-up (default: 20)",
    )
    parser.add_argument(
        "--output_dir",
        default="output/benchmark",
        metavar="DIR",
        help="gets benchmark.json and benchmark.png (default: output/benchmark)",
    )


def _benchmark(flags: argparse.Namespace) -> int:
    size = read_size("--size", flags.size)
    from keras_lraspp.benchmark.benchmark import benchmark

    rows = benchmark(
        variants=flags.variants,
        formats=flags.format,
        precisions=flags.precision,
        size=size,
        channels=flags.channels,
        batch=flags.batch_size,
        threads=flags.threads,
        runs=flags.runs,
        output_dir=flags.output_dir,
    )
    return InputError.exit_code if any(row.error for row in rows) else 0


BENCHMARK_COMMAND = Command(
    "benchmark",
    "measure size and speed of the variants",
    _add_benchmark_flags,
    _benchmark,
    "--variants=os32_global --size=512x1024",
)
