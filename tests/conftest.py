"""What all tests share: a quiet TensorFlow, and a data set that is drawn once."""

import os

# Before Keras is imported.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import shutil
import tempfile

import pytest

# What XLA compiles for TensorFlow or JAX is compiled once for all tests and children.
if "TF_XLA_FLAGS" not in os.environ:
    KERNELS = tempfile.mkdtemp(prefix="kernels-")
    os.environ["TF_XLA_FLAGS"] = f"--tf_xla_persistent_cache_directory={KERNELS}"
    os.environ["JAX_COMPILATION_CACHE_DIR"] = KERNELS
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

    def pytest_unconfigure():
        shutil.rmtree(KERNELS, ignore_errors=True)


def pytest_collection_modifyitems(items):
    """Puts the long files first: at the end one process would wait for the other."""
    items.sort(key=lambda item: not {"training", "models"} & {*item.path.parts})


SCENES = {"train_scenes": 8, "val_scenes": 4, "height": 64, "width": 128}


@pytest.fixture(scope="session")
def scenes_root(tmp_path_factory):
    """A Cityscapes tree of 8 train and 4 val scenes of 64x128; not to be changed."""
    from keras_lraspp.data import Scenes

    root = tmp_path_factory.mktemp("scenes")
    for split in ("train", "val"):
        Scenes(root, split, **SCENES)
    return root
