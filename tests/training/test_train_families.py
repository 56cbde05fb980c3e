"""A short training of each other family's network by its own configuration."""

import csv

import numpy as np
import pytest

from keras_lraspp import LRASPP, config

# The rates after one and after ten steps: those of the recipes for two images a step.
RATES = {
    "mmseg": (1e-4 + (0.01 * 2 / 16 - 1e-4) * 0.9**0.9, 1e-4),
    "torchvision": (0.01 * 2 / 32 * 0.9**0.9, 0.0),
    "fastseg": (1e-5 + (0.005 * 2 / 16 - 1e-5) / 5, 0.0),
    "tensorflow": (1e-5 + (0.005 * 2 / 16 - 1e-5) / 5, 0.0),
}
WARMED_UP = ("fastseg", "tensorflow")  # over 1000 steps, which are more than ten
BINDINGS = (
    "DATASET = @Scenes",
    "Scenes.train_scenes = 8",
    "Scenes.val_scenes = 2",
    "Scenes.height = 400",  # the 49x49 window takes 385 and more
    "Scenes.width = 512",
    "recipe_transform.crop_size = (392, 392)",
    "train.iterations = 10",
    "train.batch_size = 2",
    "train.eval_interval = 10",
    "train.save_interval = 10",
    "train.log_interval = 1",
)


@pytest.mark.slow
@pytest.mark.parametrize("family", RATES)
def test_it_trains_ten_steps_on_drawn_scenes(family, tmp_path):
    shorter = ["WarmupPolynomial.warmup_steps = 5"] if family in WARMED_UP else []
    config.load_config([f"{family}_large.gin"], [*BINDINGS, *shorter])
    output = tmp_path / "run"
    result = config.call("train", output_dir=output, data_root=tmp_path / "scenes")
    assert result.step == 10 and 0 < result.best_miou < 1
    with open(output / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["loss"]) for row in rows if row["loss"]]
    rates = [float(row["learning_rate"]) for row in rows if row["learning_rate"]]
    assert len(losses) == 10 and np.isfinite(losses).all()
    assert (rates[0], rates[-1]) == pytest.approx(RATES[family], rel=1e-4, abs=1e-9)
    model = LRASPP.from_preset(output / "best.keras")
    assert model.family == family and len(model.classes.names) == 19
