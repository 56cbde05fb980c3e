"""A whole training on two devices, which two logical CPUs stand in for."""

import csv
import json

import pytest

from harness import tiny
from harness.children import run_program
from keras_lraspp.training.schedule import WarmupPolynomial

# The second run goes on from the first one's checkpoint of step 3: the newer one is
# taken away.
PROGRAM = """
    import json, pathlib, shutil, sys
    import numpy as np
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    from harness import tiny
    from keras_lraspp.models.keras_file import load_weights

    pictures, whole, parts = map(pathlib.Path, sys.argv[1:4])
    changes = dict(
        devices=("CPU:0", "CPU:1"), precision=sys.argv[4], iterations=6,
        eval_interval=3, save_interval=3, log_interval=1, **json.loads(sys.argv[5]),
    )
    results = [tiny.run(pictures, whole, **changes)]
    shutil.copytree(whole, parts)
    (parts / "checkpoints/step_00000006.keras").unlink()
    results.append(tiny.run(pictures, parts, resume=True, **changes))
    weights = []
    for folder in (whole, parts):
        model = tiny.network(3)
        load_weights(model, folder / "checkpoints/step_00000006.keras")
        weights.append(model.get_weights())
    print(json.dumps({
        "steps": [result.step for result in results],
        "scores": [result.best_miou for result in results],
        "averages": [result.best_ema_miou for result in results],
        "difference": max(
            float(np.abs(one - other).max()) for one, other in zip(*weights)
        ),
    }))
"""


@pytest.mark.slow  # `.ci/run` runs it
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_two_devices_train_evaluate_and_resume(tmp_path, precision):
    pictures = tiny.write_pictures(tmp_path / "pictures")
    folders = [tmp_path / name for name in ("whole", "parts")]
    found = run_program(PROGRAM, pictures, *folders, precision, "{}")
    assert found["steps"] == [6, 6]
    assert found["difference"] < (1e-5 if precision == "float32" else 2e-2)
    assert found["scores"][0] == pytest.approx(found["scores"][1], abs=0.02)
    # Two devices with two images each: twice the rate of `reference_batch` = 2.
    schedule = WarmupPolynomial(0.1, 6, warmup_steps=2, warmup_rate=1e-3)
    with open(folders[1] / "log.csv", newline="") as file:
        rates = [
            float(row["learning_rate"]) for row in csv.DictReader(file) if row["loss"]
        ]
    assert rates == [pytest.approx(float(schedule(n)), abs=1e-7) for n in range(1, 7)]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_two_devices_average_and_accumulate_and_resume_to_the_bit(tmp_path, precision):
    """Step 3, where the second run goes on, is in the middle of an update."""
    pictures = tiny.write_pictures(tmp_path / "pictures")
    folders = [tmp_path / name for name in ("whole", "parts")]
    changes = json.dumps({"ema_momentum": 0.5, "accumulation": 2, "patience": 5})
    found = run_program(PROGRAM, pictures, *folders, precision, changes)
    assert found["steps"] == [6, 6]
    assert found["difference"] == 0.0
    for one, other in (found["scores"], found["averages"]):
        assert one == other and one > 0.0
