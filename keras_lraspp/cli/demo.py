"""The `demo` command: a page in the browser that runs a network."""

import argparse

from keras_lraspp.cli.flags import Command, add_classes_flag, add_weights_flag


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_weights_flag(parser)
    add_classes_flag(parser)
    parser.add_argument(
        "--output_dir",
        "--out",
        metavar="DIR",
        help="write the page as a folder for a static host, and do not serve it",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=0,
        metavar="N",
        help="of the server on this machine (default: a free one)",
    )
    parser.add_argument(
        "--browser",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="open the page in the browser (default: yes)",
    )
    parser.add_argument(
        "--runtime",
        metavar="DIR",
        help="folder with onnxruntime-web, where npm cannot fetch it: its dist/, or "
        "one that npm installed it in",
    )


def _run(flags: argparse.Namespace) -> int:
    from keras_lraspp.demo.site import demo

    folder = demo(
        weights=flags.weights,
        classes=flags.classes,
        runtime=flags.runtime,
        output_dir=flags.output_dir,
        port=flags.port,
        browser=flags.browser,
    )
    if folder is not None:
        print(f"wrote {folder}")
    return 0


DEMO_COMMAND = Command(
    "demo",
    "segment pictures, videos and the camera in the browser",
    _add_flags,
    _run,
    "--weights=os8_global_cityscapes",
)
