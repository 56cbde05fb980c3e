"""The command that measures the variants: `keras-lraspp benchmark`."""

import argparse

from keras_lraspp.cli.command import Command, names, size

_FAILED = 2  # some rows


def _add_benchmark_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--variants",
        type=names,
        default=("all",),
        metavar="NAME,...",
        help="names from the table of variants, as os8_global (default: all); their "
        "weights are random, which does not change the time",
    )
    parser.add_argument(
        "--format",
        type=names,
        default=("keras",),
        metavar="NAME,...",
        help="some of keras, saved_model, onnx, litert (default: keras)",
    )
    parser.add_argument(
        "--size",
        default="512x1024",
        metavar="HEIGHTxWIDTH",
        help="of the images (default: 512x1024)",
    )
    parser.add_argument(
        "--batch", type=int, default=1, metavar="N", help="images per call (default: 1)"
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
        "--output",
        default="benchmark",
        metavar="DIR",
        help="gets benchmark.json and benchmark.png (default: benchmark)",
    )


def _benchmark(flags: argparse.Namespace) -> int:
    image_size = size(flags.size)
    from keras_lraspp.cli.quiet_import import import_tensorflow

    import_tensorflow()
    from keras_lraspp.runs.benchmark import benchmark

    rows = benchmark(
        variants=flags.variants,
        formats=flags.format,
        size=image_size,
        batch=flags.batch,
        threads=flags.threads,
        runs=flags.runs,
        output_dir=flags.output,
    )
    return _FAILED if any(row.error for row in rows) else 0


BENCHMARK_COMMAND = Command(
    "benchmark",
    "measure size and speed of the variants",
    _add_benchmark_flags,
    _benchmark,
)
