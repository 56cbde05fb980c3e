"""What one backend trains, the others load: the same logits."""

import importlib.util
import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from harness import tiny

pytestmark = pytest.mark.usefixtures("few_blocks")

BACKENDS = ("tensorflow", "jax", "torch")

# Own code and Keras only, as in somebody else's program; with a network of four blocks.
PROGRAM = """
    import sys
    import keras
    import numpy as np
    import pytest
    import keras_lraspp
    from harness.stand_ins import with_few_blocks
    from keras_lraspp.models.keras_file import load_weights

    with_few_blocks(pytest.MonkeyPatch())
    best, checkpoint, images, logits = sys.argv[1:]
    pixels = np.load(images)
    whole = keras.models.load_model(best, compile=False)
    rebuilt = keras_lraspp.LRASPP(3, "small", 0.35, 32)
    load_weights(rebuilt, checkpoint)
    np.savez(logits, best=whole.predict_on_batch(pixels),
             checkpoint=rebuilt.predict_on_batch(pixels))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    pictures = tiny.write_pictures(folder / "pictures")
    # At the usual rate some processors' rounding lets the weights grow without end.
    changes = {"model": tiny.SMALLEST, "iterations": 4, "learning_rate": 0.002}
    tiny.run(pictures, folder / "run", **changes)
    files = [folder / "run" / "best.keras"]
    files += (folder / "run" / "checkpoints").glob("*.keras")
    assert len(files) == 2
    return files


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (1, 45, 70, 3), "uint8")


@pytest.mark.backends
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_trained_file_gives_the_same_logits_there(trained, pixels, tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed; CI runs this on all three")
    images, logits = tmp_path / "images.npy", tmp_path / "logits.npz"
    np.save(images, pixels)
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(PROGRAM),
            *map(str, (*trained, images, logits)),
        ],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    # The best model is the last one here, so both files hold the same weights.
    here = keras.models.load_model(trained[0], compile=False).predict_on_batch(pixels)
    assert np.isfinite(here).all()
    for name, there in np.load(logits).items():
        error = np.linalg.norm(there - here) / np.linalg.norm(here)
        assert error < 1e-4, name
