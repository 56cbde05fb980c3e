"""Python programs in a process of their own, with a TensorFlow of its own."""

import json
import os
import subprocess
import sys
import textwrap


def run_program(program: str, *arguments: object, **variables: str) -> object:
    """Runs an indented program on TensorFlow; returns its last line, read as JSON.

    Environment variables may be given by name, as `KERAS_BACKEND="jax"`.
    """
    child = subprocess.run(
        command(program, *arguments),
        env=environment(**variables),
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    return json.loads(child.stdout.splitlines()[-1])


def command(program: str, *arguments: object) -> list[str]:
    """Returns what to type to run an indented program."""
    return [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]


def environment(**variables: str) -> dict[str, str]:
    """Returns the variables of a child that sees the same modules."""
    return {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        **variables,
    }
