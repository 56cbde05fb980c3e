"""TensorFlow without what it says about itself."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

# Before its logging is set up, TensorFlow writes straight to the standard error,
# whatever TF_CPP_MIN_LOG_LEVEL says. CUDA's error 303 is a machine without a driver.
_CHATTER = re.compile(
    rb"I\d{4} |WARNING: All log messages before absl|To enable the following instr"
    rb"|E\d{4} .*failed call to cuInit:.*\(303\)"
)


def import_tensorflow() -> None:
    """Imports Keras and TensorFlow, and lets TensorFlow look for devices."""
    with _quiet():
        import keras  # noqa: F401
        import tensorflow

        tensorflow.config.list_physical_devices()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Holds back the standard error, and afterwards drops TensorFlow's information.

    Warnings and errors are shown at the end, everything if the block fails.
    """
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # no standard error at all
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        chatter = None
        try:
            yield
            chatter = _CHATTER
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if chatter is None or not chatter.match(line):
                    os.write(2, line)
