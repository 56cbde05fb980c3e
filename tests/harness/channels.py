"""Drawn data sets of images with any number of channels."""

from pathlib import Path

import numpy as np

from harness.image_files import save
from harness.multiband import save_bands

SIZE = (32, 40)


def drawn(channels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An image whose values say the class, each channel in its own way, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (4, 5), np.uint8).repeat(8, 0).repeat(8, 1)
    steps = 30 + 7 * np.arange(channels)
    values = 20 + labels[..., None] * steps + rng.integers(0, 20, (*SIZE, channels))
    labels[0] = 255
    return (values % 256).astype(np.uint8), labels


def write_drawn(root: Path, channels: int, suffix: str, train_images: int = 6) -> Path:
    """Writes images with the suffix, labels as PNG, and lists for `FileList`."""
    for split, count in (("train", train_images), ("val", 2)):
        rows = []
        for index in range(count):
            image, labels = drawn(channels, seed=index + 100 * (split == "val"))
            name = f"{split}_{index}"
            save_bands(root / f"image/{name}{suffix}", image)
            save(root / f"label/{name}.png", labels)
            rows.append(f"image/{name}{suffix} label/{name}.png\n")
        (root / f"{split}.txt").write_text("".join(rows))
    return root
