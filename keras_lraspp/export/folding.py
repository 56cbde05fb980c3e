"""Batch norm folding: the convolutions of an LRASPP with their batch norms."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np


class Convolution(NamedTuple):
    """Kernel, bias, stride, dilation and padding of a convolution as plain values."""

    kernel: (
        np.ndarray
    )  # float64 (k, k, channels in, out); depthwise (k, k, channels, 1)
    bias: np.ndarray  # float64, one per channel out
    stride: int = 1
    dilation: int = 1
    symmetric: bool = True  # k // 2 cells on each side, or TensorFlow's "SAME"

    def scaled(self, factor: float, shift: float = 0.0) -> "Convolution":
        """Returns the convolution whose result is `factor` times this plus `shift`."""
        return self._replace(
            kernel=self.kernel * factor, bias=self.bias * factor + shift
        )

    def taking(self, factor: float | Sequence[float]) -> "Convolution":
        """Returns the convolution that takes `factor` times what this one takes.

        It is a number, or one for each channel in.
        """
        return self._replace(kernel=self.kernel / np.reshape(factor, (-1, 1)))

    def padded(self, channels: int, bias: float) -> "Convolution":
        """Returns it with `channels` channels out, the new ones `bias` everywhere."""
        more = max(0, channels - len(self.bias))
        return self._replace(
            kernel=np.pad(self.kernel, [(0, 0)] * 3 + [(0, more)]),
            bias=np.pad(self.bias, (0, more), constant_values=bias),
        )

    def widened(self, channels: int) -> "Convolution":
        """Returns it with more channels in, which it does not look at."""
        more = max(0, channels - self.kernel.shape[2])
        padding = [(0, 0), (0, 0), (0, more), (0, 0)]
        return self._replace(kernel=np.pad(self.kernel, padding))

    def after(self, first: "Convolution") -> "Convolution":
        """Returns `first` and this one, both 1x1, as a single 1x1 convolution."""
        ours, its = self.kernel[0, 0], first.kernel[0, 0]
        return Convolution((its @ ours)[None, None], first.bias @ ours + self.bias)

    def split(self, channels: int) -> tuple["Convolution", "Convolution"]:
        """Splits it into one for the first channels in, and one for the others.

        The sum of the two results is that of the whole; the second has the bias.
        """
        first, second = np.split(self.kernel, [channels], axis=2)
        return Convolution(first, np.zeros_like(self.bias)), self._replace(
            kernel=second
        )


def folded_convolutions(model: keras.Model) -> dict[str, Convolution]:
    """Returns the convolutions of an `LRASPP` and its backbone, by layer name.

    Batch norm after a convolution is one more linear map per channel: a layer
    `<name>_bn` is folded into `<name>_conv`, in float64.
    """
    layers = {layer.name: layer for layer in (*model.layers, *model.backbone.layers)}
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    found = {}
    for name, layer in layers.items():
        if isinstance(layer, kinds):
            stem, is_conv, _ = name.rpartition("_conv")
            norm = layers.get(f"{stem}_bn") if is_conv else None
            found[name] = _folded(layer, norm)
    return found


def pad_expanded(
    convolutions: dict[str, Convolution], multiple: int
) -> dict[str, Convolution]:
    """Pads the expanded channels of inverted residual blocks to a multiple.

    The new ones are 0 wherever they are used: integer kernels of depthwise convolutions
    take twice as long for 72 channels as for 80.
    """
    found = dict(convolutions)
    for name, conv in convolutions.items():
        block, is_depthwise, _ = name.rpartition("_depthwise_conv")
        if not is_depthwise or f"{block}_expand_conv" not in found:
            continue
        wanted = -(-len(conv.bias) // multiple) * multiple
        found[name] = conv.widened(wanted)._replace(
            bias=np.pad(conv.bias, (0, wanted - len(conv.bias)))
        )
        makes = (f"{block}_expand_conv", f"{block}_se_expand")
        takes = (f"{block}_se_squeeze", f"{block}_project_conv")
        found |= {key: found[key].padded(wanted, 0) for key in makes if key in found}
        found |= {key: found[key].widened(wanted) for key in takes if key in found}
    return found


def _folded(layer, norm) -> Convolution:
    kernel = _numbers(layer.kernel)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    channels = kernel.shape[2] if depthwise else kernel.shape[3]
    bias = _numbers(layer.bias) if layer.use_bias else np.zeros(channels)
    if norm is not None:
        gain = _numbers(norm.gamma) / np.sqrt(
            _numbers(norm.moving_variance) + norm.epsilon
        )
        kernel = kernel * (gain[:, None] if depthwise else gain)
        bias = (bias - _numbers(norm.moving_mean)) * gain + _numbers(norm.beta)
    stride, dilation = layer.strides[0], layer.dilation_rate[0]
    # At stride 1 both are the same; at 2, a layer of zeros makes it symmetric.
    symmetric = stride == 1 or layer.padding == "valid"
    return Convolution(kernel, bias, stride, dilation, symmetric)


def _numbers(variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable).astype("float64")
