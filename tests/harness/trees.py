"""Miniature trees of the data sets that the package knows, with random content."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from harness.image_files import classes, noise, palette_image, save

SIZE = (6, 8)


def jpeg(path: Path, seed: int, size=SIZE) -> Path:
    """A JPEG of noise."""
    return save(path, noise(*size, seed=seed), quality=95)


def cityscapes(
    root: Path,
    *,
    kinds=("labelIds",),
    splits=("train", "val"),
    frames: int = 2,
    annotations: str = "gtFine",
) -> Path:
    """Frames of the city Aachen; labelIds 0..33, labelTrainIds as the table says."""
    for number, split in enumerate(splits):
        for index in range(frames):
            stem = f"aachen_{number:06}_{index:06}"
            image = root / f"leftImg8bit/{split}/aachen/{stem}_leftImg8bit.png"
            save(image, noise(*SIZE, seed=100 * number + index))
            folder = root / annotations / split / "aachen"
            for kind in kinds:
                label = classes(*SIZE, 34 if kind == "labelIds" else 19, seed=index)
                save(folder / f"{stem}_{annotations}_{kind}.png", label)
    return root


def ade20k(root: Path, images: int = 2) -> Path:
    """ADEChallengeData2016 with annotations 0..150."""
    for seed, folder in enumerate(("training", "validation")):
        for index in range(images):
            name = f"ADE_{folder[:-3]}_{index + 1:08}"
            jpeg(root / f"images/{folder}/{name}.jpg", 10 * seed + index)
            annotation = classes(*SIZE, 151, seed=10 * seed + index)
            save(root / f"annotations/{folder}/{name}.png", annotation)
    return root


def voc2012(root: Path) -> Path:
    """Two images to train on, two to validate, two more without a mask."""
    names = {"train": ("2007_000032", "2007_000039"), "val": ("2007_1", "2007_2")}
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for split, stems in names.items():
        (lists / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))
        for stem in stems:
            mask = classes(*SIZE, 21, seed=len(stem))
            mask[0] = 255
            save_palette(root / f"SegmentationClass/{stem}.png", mask)
    stems = [*names["train"], *names["val"], "2008_000001", "2008_000002"]
    for seed, stem in enumerate(stems):
        jpeg(root / f"JPEGImages/{stem}.jpg", seed)
    return root


def save_palette(path: Path, indices: np.ndarray) -> Path:
    """A palette image; its colours say nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    palette_image(indices).save(path)
    return path


def camvid_segnet(root: Path, images: int = 2) -> Path:
    """The SegNet tutorial's form: classes 0..10, void 11."""
    for seed, split in enumerate(("train", "val", "test")):
        for index in range(images):
            name = f"0001TP_{seed:03}{index:03}.png"
            save(root / split / name, noise(*SIZE, seed=10 * seed + index))
            save(root / f"{split}annot" / name, classes(*SIZE, 12, seed=index))
    return root


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    """A zip file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def png(pixels: np.ndarray) -> bytes:
    """A PNG's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
