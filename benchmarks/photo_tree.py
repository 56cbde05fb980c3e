"""A Cityscapes tree of pictures that are as hard to decode as photographs."""

from pathlib import Path

import numpy as np
from PIL import Image

from keras_lraspp.data import Scenes

_NOISE = 2.6  # standard deviation; makes PNG files of about 2.6 MB


def make_tree(root: Path, pictures: int) -> None:
    """Draws scenes of 1024x2048 with a camera's noise, and their labels.

    Args:
        root: Folder of the tree.
        pictures: How many, of the split "train".
    """
    drawn = Scenes(
        root, "train", train_scenes=pictures, val_scenes=1, height=1024, width=2048
    )
    for number, path in enumerate(drawn.images):
        pixels = np.asarray(Image.open(path), np.float32)
        noise = np.random.default_rng(number).normal(0, _NOISE, pixels.shape)
        noisy = np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path)
