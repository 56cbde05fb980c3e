"""Python programs in a process of their own, with a TensorFlow of its own."""

import json
import os
import subprocess
import sys
import textwrap


def run_program(program: str, *arguments: object) -> object:
    """Runs an indented program on TensorFlow; returns its last line, read as JSON."""
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        env={
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    return json.loads(child.stdout.splitlines()[-1])
