"""A training small enough for a test: a file list of tiny pictures, a tiny network."""

from functools import partial
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from keras_lraspp import LRASPP
from keras_lraspp.data import FileList, recipe_transform
from keras_lraspp.layers.batch_norm import BatchNorm
from keras_lraspp.layers.resizing import ResizeLike
from keras_lraspp.losses import CrossEntropy
from keras_lraspp.training.optimizer import SGD
from keras_lraspp.training.schedule import WarmupPolynomial
from keras_lraspp.training.train import train

SMALLEST = partial(LRASPP, backbone="small", width=0.35, output_stride=32)


def network(num_classes: int, input_shape=(None, None, 3)) -> keras.Model:
    """Two convolutions with a batch norm: traced in no time, unlike LRASPP."""
    pixels = keras.Input(input_shape)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32")(pixels)
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(x)
    x = keras.layers.ReLU()(BatchNorm()(x))
    x = keras.layers.Conv2D(num_classes, 1)(x)
    return keras.Model(pixels, ResizeLike(dtype="float32")(x, pixels))


def write_pictures(root: Path, train_images: int = 6, val_images: int = 2) -> Path:
    """Draws pictures whose brightness says the class, and their lists."""
    rng = np.random.default_rng(0)
    for split, number in (("train", train_images), ("val", val_images)):
        rows = []
        for index in range(number):
            labels = rng.integers(0, 3, (5, 7)).repeat(8, 0).repeat(8, 1)
            pixels = 40 + 80 * labels[..., None] + rng.normal(0, 12, (*labels.shape, 3))
            pixels = np.clip(pixels, 0, 255).astype("uint8")
            labels[0] = 255
            name = f"{split}_{index}.png"
            for folder, picture in (("image", pixels), ("label", labels)):
                (root / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture.astype("uint8")).save(root / folder / name)
            rows.append(f"image/{name} label/{name}\n")
        (root / f"{split}.txt").write_text("".join(rows))
    return root


def settings(root: Path, output_dir: Path, **changes) -> dict:
    """Arguments of `train` for ten quick steps."""
    return {
        "model": network,
        "dataset": partial(FileList, num_classes=3, name="tiny"),
        "transform": partial(recipe_transform, crop_size=(32, 32)),
        "loss": CrossEntropy,
        "optimizer": SGD,
        "schedule": partial(WarmupPolynomial, warmup_steps=2, warmup_rate=1e-3),
        "iterations": 10,
        "batch_size": 2,
        "learning_rate": 0.05,
        "reference_batch": 2,
        "eval_interval": 5,
        "save_interval": 4,
        "log_interval": 2,
        "data_root": root,
        "output_dir": output_dir,
        **changes,
    }


def run(root: Path, output_dir: Path, **changes):
    """Trains with `settings` and forgets Keras's state afterwards."""
    try:
        return train(**settings(root, output_dir, **changes))
    finally:
        keras.utils.clear_session()
