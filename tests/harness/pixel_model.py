"""A network that NumPy can follow exactly: each pixel's class depends on it alone."""

import keras
import numpy as np


def pixel_model(num_classes=5, seed=0, input_shape=(None, None, 3)) -> keras.Model:
    """A 1x1 convolution with small whole weights; logits are whole, ties occur."""
    pixels = keras.Input(input_shape)
    conv = keras.layers.Conv2D(num_classes, 1, data_format="channels_last")
    model = keras.Model(pixels, conv(pixels))
    set_weights(model, seed)
    return model


def set_weights(model: keras.Model, seed: int) -> None:
    """Draws new weights."""
    rng = np.random.default_rng(seed)
    kernel, bias = model.get_weights()
    model.set_weights(
        [rng.integers(-3, 4, kernel.shape), rng.integers(-99, 100, bias.shape)]
    )


def expected_labels(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """The class of each pixel, worked out in integers."""
    kernel, bias = (value.astype(np.int64) for value in model.get_weights())
    return (images.astype(np.int64) @ kernel[0, 0] + bias).argmax(-1)


def random_images(*shape: int, seed: int = 0, channels: int = 3) -> np.ndarray:
    """Blocks of a few colours with noise, uint8 (*shape, channels)."""
    rng = np.random.default_rng(seed)
    *batch, height, width = shape
    coarse = rng.integers(0, 256, (*batch, -(-height // 4), -(-width // 4), channels))
    blocks = coarse.repeat(4, -3).repeat(4, -2)[..., :height, :width, :]
    return np.clip(blocks + rng.integers(-2, 3, blocks.shape), 0, 255).astype("uint8")
