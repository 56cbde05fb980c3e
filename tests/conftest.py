"""What all tests share: a quiet TensorFlow, a data set drawn once, small networks."""

import functools
import gc
import os

# Before Keras is imported.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import shutil
import sys
import tempfile
import typing

import pytest

from keras_lraspp.processor import prefer_onednn

prefer_onednn()  # as the commands do

# What XLA compiles for TensorFlow or JAX is compiled once for all tests and children.
if "TF_XLA_FLAGS" not in os.environ:
    KERNELS = tempfile.mkdtemp(prefix="kernels-")
    os.environ["TF_XLA_FLAGS"] = f"--tf_xla_persistent_cache_directory={KERNELS}"
    os.environ["JAX_COMPILATION_CACHE_DIR"] = KERNELS
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    # Nothing here runs long enough to be worth LLVM's own optimizations, which take
    # a third of JAX's time.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

    def pytest_unconfigure():
        shutil.rmtree(KERNELS, ignore_errors=True)


# TensorFlow asks thousands of times a network whether something is a tensor, by
# protocols, of which Python before 3.12 looks up the attributes each time.
if sys.version_info < (3, 12):
    typing._get_protocol_attrs = functools.cache(typing._get_protocol_attrs)


def pytest_collection_modifyitems(items):
    """Puts the long files first: at the end one process would wait for the other."""
    items.sort(key=lambda item: not {"training", "models"} & {*item.path.parts})


def pytest_collection_finish():
    """Takes what was imported out of Python's garbage collection, and makes it rarer.

    Looking through a million objects of TensorFlow took a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    if os.environ["KERAS_BACKEND"] == "jax":
        _draw_by_numpy()


def _draw_by_numpy():
    """Draws initial weights on JAX without compiling a program for each shape.

    That took ten CPU seconds for each network of another width.
    """
    import jax
    import numpy as np
    from keras.src.backend.jax import random

    plain = random.normal

    def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        key = random.jax_draw_seed(seed)
        if isinstance(key, jax.core.Tracer):
            return plain(shape, mean, stddev, dtype, key)
        drawn = np.random.default_rng(np.asarray(key)).normal(mean, stddev, shape)
        return jax.numpy.asarray(drawn, dtype or random.floatx())

    random.normal = normal


SCENES = {"train_scenes": 8, "val_scenes": 4, "height": 64, "width": 128}


@pytest.fixture(scope="session")
def scenes_root(tmp_path_factory):
    """A Cityscapes tree of 8 train and 4 val scenes of 64x128; not to be changed."""
    from keras_lraspp.data import Scenes

    root = tmp_path_factory.mktemp("scenes")
    for split in ("train", "val"):
        Scenes(root, split, **SCENES)
    return root


@pytest.fixture(scope="module")
def few_blocks():
    """Four blocks in every network: for what is done with networks, whichever."""
    from harness.stand_ins import with_few_blocks

    with pytest.MonkeyPatch.context() as patch:
        with_few_blocks(patch)
        yield
