"""The references' numbers, and the rule that makes their weights, images and labels.

The expected numbers in `tests/fixtures` were produced by PaddleSeg's own network and
training loop, and by the networks of torchvision 0.28, fastseg 0.1.2 and mmsegmentation
1.2.2; inputs and weights are drawn by name and size, so that only results had to be
stored.
"""

import json
import zlib
from pathlib import Path

import numpy as np

from keras_lraspp import LRASPP
from keras_lraspp.models.tensor_names import reference_tensors

FIXTURES = Path(__file__).parents[1] / "fixtures"

# PaddleSeg's variants, as arguments of LRASPP.
VARIANTS = {
    "os8_global": {},
    "os8_large_kernel": {"pooling": "large_kernel"},
    "os32_global": {"output_stride": 32},
    "large_x0_5_os32_global": {"width": 0.5, "output_stride": 32},
    "large_x0_75_os32_global": {"width": 0.75, "output_stride": 32},
    "large_x1_25_os32_global": {"width": 1.25, "output_stride": 32},
    "small_os32_global": {"backbone": "small", "output_stride": 32},
    "small_os8_global": {"backbone": "small"},
    "small_x0_35_os32_global": {
        "backbone": "small",
        "width": 0.35,
        "output_stride": 32,
    },
}

# Those of the others.
PEERS = {
    "torchvision_large": {
        "family": "torchvision",
        "num_classes": 21,
        "output_stride": 16,
    },
    **{
        f"fastseg_{backbone}_f{filters}": {
            "family": "fastseg",
            "backbone": backbone,
            "head_filters": filters,
            "pooling": "large_kernel",
        }
        for backbone, filters in (
            ("large", 256),
            ("large", 128),
            ("small", 256),
            ("small", 128),
            ("small", 64),
        )
    },
    **{
        f"mmseg_{backbone}": {
            "family": "mmseg",
            "backbone": backbone,
            "pooling": "large_kernel",
        }
        for backbone in ("large", "small")
    },
}


def generator(salt: str) -> np.random.Generator:
    """A random generator that depends on a text only."""
    return np.random.default_rng(zlib.crc32(salt.encode()))


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The value that the rule gives to a tensor of the reference."""
    rng = generator(name)
    if name.endswith(("._variance", ".running_var")):
        value = rng.uniform(0.75, 1.25, shape)
    elif name.endswith(("._mean", ".running_mean")):
        value = rng.normal(0.0, 0.1, shape)
    elif len(shape) == 4:
        value = rng.normal(0.0, np.sqrt(2.0 / np.prod(shape[1:])), shape)
    elif name.endswith(".weight"):
        value = 1.0 + rng.normal(0.0, 0.1, shape)
    else:
        value = rng.normal(0.0, 0.1, shape)
    return value.astype("float32")


def names(variant: str) -> dict[str, list[int]]:
    """A reference's tensors of a variant, with their shapes."""
    return json.loads((FIXTURES / "reference_names.json").read_text())[variant]


def state_dict(variant: str) -> dict[str, np.ndarray]:
    """All tensors of a variant, with the rule's values."""
    return {name: tensor(name, shape) for name, shape in names(variant).items()}


def model(variant: str) -> LRASPP:
    """Our model of a variant, with the rule's weights."""
    built = LRASPP(**{**VARIANTS, **PEERS}[variant])
    tensors = state_dict(variant)
    for row in reference_tensors(built):
        row.variable.assign(row.value(tensors))
    return built


def image(height: int, width: int, batch: int = 1, salt: str = "") -> np.ndarray:
    """A smooth, colourful image, (batch, height, width, 3) uint8."""
    rng = generator(f"{salt}image{height}x{width}x{batch}")
    ys = np.linspace(0, 1, height)[None, :, None, None]
    xs = np.linspace(0, 1, width)[None, None, :, None]
    value = np.zeros((batch, height, width, 3))
    for _ in range(12):
        fy, fx = rng.uniform(0.5, 14, 2)
        phase = rng.uniform(0, 2 * np.pi, (batch, 1, 1, 3))
        wave = np.sin(2 * np.pi * (fy * ys + fx * xs) + phase)
        value += rng.uniform(0.2, 1.0) * wave
    value = 127.5 + 127.5 * value / np.abs(value).max()
    value += rng.normal(0, 6, value.shape)
    return np.clip(np.rint(value), 0, 255).astype("uint8")


def labels(height: int, width: int, batch: int = 1, salt: str = "") -> np.ndarray:
    """Blocks of 19 classes with an ignored border, (batch, height, width) uint8."""
    rng = generator(f"{salt}labels{height}x{width}x{batch}")
    coarse = rng.integers(0, 19, (batch, -(-height // 16), -(-width // 16)))
    value = coarse.repeat(16, 1).repeat(16, 2)[:, :height, :width].astype("uint8")
    value[:, :3] = 255
    value[:, :, -5:] = 255
    return value


def expected(file: str, variant: str) -> dict[str, np.ndarray]:
    """The stored results of a variant, by name."""
    with np.load(FIXTURES / file) as arrays:
        prefix = f"{variant}/"
        return {
            key.removeprefix(prefix): arrays[key]
            for key in arrays.files
            if key.startswith(prefix)
        }
