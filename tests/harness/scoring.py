"""Flip, scales and sliding windows in NumPy, and a network for which they matter."""

import math

import keras
import numpy as np


def conv_model(num_classes=4, input_shape=(None, None, 3), seed=0) -> keras.Model:
    """3x3 convolution, ReLU, 1x1: neither mirroring nor cutting leaves it the same."""
    pixels = keras.Input(input_shape)
    x = keras.layers.Conv2D(5, 3, padding="same", data_format="channels_last")(pixels)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Conv2D(num_classes, 1, data_format="channels_last")(x)
    model = keras.Model(pixels, x)
    rng = np.random.default_rng(seed)
    scales = (0.01, 10.0, 0.5, 5.0)
    model.set_weights(
        [
            scale * rng.normal(size=value.shape)
            for scale, value in zip(scales, model.get_weights(), strict=True)
        ]
    )
    return model


def conv_logits(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """What `conv_model` computes, in float64."""
    kernel, bias, last, last_bias = (np.float64(w) for w in model.get_weights())
    height, width = pixels.shape[1:3]
    padded = np.pad(np.float64(pixels), ((0, 0), (1, 1), (1, 1), (0, 0)))
    total = bias
    for y in range(3):
        for x in range(3):
            total = total + padded[:, y : y + height, x : x + width] @ kernel[y, x]
    return np.maximum(total, 0) @ last[0, 0] + last_bias


def bilinear(values: np.ndarray, size) -> np.ndarray:
    """Resizes (B, h, w, C): half-pixel centres, clamped edges, no antialiasing."""
    return interpolate(interpolate(values, size[0], 1), size[1], 2)


def interpolate(values, size, axis):
    """Linear interpolation along one axis."""
    length = values.shape[axis]
    place = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, length - 1)
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    share = (place - low).reshape(shape)
    return values.take(low, axis) * (1 - share) + values.take(high, axis) * share


def averaged(forward, images, *, flip=False, scales=(1.0,), window=None, stride=None):
    """PaddleSeg's order of things: each pass is resized to the image and added."""
    height, width = images.shape[1:3]
    passes = []
    for scale in scales:
        size = math.floor(height * scale + 0.5), math.floor(width * scale + 0.5)
        scaled = bilinear(np.float64(images), size)
        for mirrored in (False, True)[: 1 + flip]:
            pixels = scaled[:, :, ::-1] if mirrored else scaled
            logits = windowed(forward, pixels, window, stride)
            logits = logits[:, :, ::-1] if mirrored else logits
            passes.append(bilinear(logits, (height, width)))
    return np.mean(passes, axis=0)


def windowed(forward, pixels, window, stride):
    """Adds up and counts windows one by one."""
    if window is None:
        return np.float64(forward(pixels))
    height, width = pixels.shape[1:3]
    total, count = 0.0, np.zeros((height, width, 1))
    for top in starts(height, window[0], stride[0]):
        for left in starts(width, window[1], stride[1]):
            place = np.s_[top : top + window[0], left : left + window[1]]
            logits = np.float64(forward(pixels[:, place[0], place[1]]))
            if isinstance(total, float):
                total = np.zeros((*pixels.shape[:3], logits.shape[-1]))
            total[:, place[0], place[1]] += logits
            count[place] += 1
    assert count.min() >= 1
    return total / count


def starts(side, window, stride):
    """Starts of windows along one side: the last one ends where the side does."""
    found = [0]
    while found[-1] + window < side:
        found.append(min(found[-1] + stride, side - window))
    return found
