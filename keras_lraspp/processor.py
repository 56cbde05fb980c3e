"""What this machine's processor can do, and TensorFlow's kernels for it."""

import functools
import os
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
# TensorFlow uses oneDNN on processors with one of them.
_BY_DEFAULT = frozenset(
    "amx_bf16 amx_int8 amx_tile avx512_bf16 avx512_vnni avx_vnni".split()
)


@functools.cache
def processor_features() -> frozenset[str]:
    """Returns the features of an x86 processor as Linux names them, elsewhere none."""
    try:
        with _CPUINFO.open() as lines:  # to the first core's; there may be hundreds
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return frozenset()
    return frozenset(flags.partition(":")[2].split())


def prefer_onednn() -> None:
    """Has TensorFlow use oneDNN's kernels on processors with AVX2, too.

    TensorFlow uses them by itself only where it finds VNNI or AMX. Elsewhere, as on AMD
    before Zen 4, a training step of this network takes 0.7 to 0.8 of the time with
    them. It must come before TensorFlow is imported. `TF_ENABLE_ONEDNN_OPTS` in the
    environment has precedence.
    """
    if "avx2" in processor_features():
        os.environ.setdefault(_VARIABLE, "1")


def has_slow_fusions() -> bool:
    """Whether TensorFlow's oneDNN is slow at convolutions with what is behind them.

    Without AVX-512 its convolution of channels last computes an activation or a batch
    norm behind it by code that is not vectorized, 4 to 1000 times as slowly as those
    two apart.
    """
    given, features = os.environ.get(_VARIABLE), processor_features()
    used = bool(features & _BY_DEFAULT) if given is None else given == "1"
    return used and "avx2" in features and "avx512f" not in features
