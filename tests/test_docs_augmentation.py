"""The page on augmentation: commands run and configurations work, as written."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from harness.image_files import classes, noise
from keras_lraspp import config
from keras_lraspp.__main__ import main

PAGE = (Path(__file__).resolve().parents[1] / "docs/augmentation.md").read_text()
COMMANDS = re.findall(r"^    (keras-lraspp data .*)$", PAGE, re.M)
BLOCKS = re.findall(r"```gin\n(.*?)```", PAGE, re.S)
SMALL = [
    "Scenes.train_scenes=3",
    "Scenes.val_scenes=1",
    "Scenes.height=64",
    "Scenes.width=128",
    "recipe_transform.crop_size=(48, 96)",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command)[1:]
    assert main([*arguments, "--gin_bindings", *SMALL]) == 0
    (picture,) = tmp_path.glob("*.png")
    assert f"--output={picture.name}" in [*arguments, "--output=augmented.png"]
    assert np.asarray(Image.open(picture)).shape[0] > 4 * 48


def apply(tmp_path, text):
    """What a configuration with these lines makes of an image, twice."""
    path = tmp_path / "mine.gin"
    path.write_text(f'include "quickstart.gin"\n{text}')
    bindings = ["recipe_transform.crop_size = (16, 24)"]
    if "keras_cv_transform.crop_size = (" in text:
        bindings.append("keras_cv_transform.crop_size = (16, 24)")
    config.load_config([path], bindings)
    transform = config.bound("train", "transform")["transform"](ignore_label=255)
    image, label = tf.constant(noise(20, 40)), tf.constant(classes(20, 40))
    return [transform(image, label, tf.constant([seed, 1])) for seed in range(2)]


@pytest.mark.parametrize("block", range(len(BLOCKS)))
def test_a_configuration_works(block, tmp_path):
    for image, label in apply(tmp_path, BLOCKS[block]):
        assert image.shape == (16, 24, 3) and label.shape == (16, 24)
        assert image.dtype == tf.uint8 and label.dtype == tf.uint8


def test_a_transform_of_ones_own(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(# my_transforms.py.*?)```", PAGE, re.S)
    (text,) = re.findall(r"```\n(import my_transforms.*?)```", PAGE, re.S)
    (tmp_path / "my_transforms.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    text = text.replace("probability = 0.1", "probability = %s")
    (plain, _), _ = apply(tmp_path, text % "0.0")
    (negative, _), _ = apply(tmp_path, text % "1.0")
    np.testing.assert_array_equal(negative, 255 - plain.numpy())
