"""Families of LR-ASPP networks: what differs between those that others published.

A family is a row of facts about somebody's MobileNetV3 and head. The networks are built
from it in `mobilenet_v3` and `lraspp`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeVar, cast, get_args

from keras_lraspp.weights.published import BACKBONE_WEIGHTS

FamilyName = Literal["paddleseg", "tensorflow", "fastseg", "mmseg", "torchvision"]

_Tap = TypeVar("_Tap")

STEM = -1  # as a tap: what the first convolution gives
LAST_CONV = 99  # as a tap: what the 1x1 convolution behind the last block gives


class Skip(NamedTuple):
    """A skip connection from the backbone to the head."""

    stride: int  # of its tap in a network of output stride 32
    filters: int  # of its 1x1 convolution

    def tap(self, taps: Sequence[_Tap]) -> _Tap:
        """Returns its own of all taps of a network, of which the last has stride 32."""
        return taps[-{32: 1, 16: 2, 8: 3, 4: 4, 2: 5}[self.stride]]


class Family(NamedTuple):
    """The facts of one family."""

    # Pixels are (x - mean) / deviation, in RGB.
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    deviation: tuple[float, float, float] = (127.5, 127.5, 127.5)
    # At stride 2: k // 2 on each side, or as TensorFlow's "same", which pads one less
    # at the top and left of even sides.
    symmetric_padding: bool = True
    epsilon: float = 1e-5  # of batch norms
    momentum: float = 0.9
    # The 1x1 convolution that widens, also in a block that does not widen.
    always_expands: bool = True
    # Widened channels are counted from those that come in, both scaled, not scaled
    # themselves.
    expands_scaled: bool = False
    rounds_squeezed: bool = False  # squeezed channels, to multiples of 8
    gate_slope: float = 0.2  # of squeeze-and-excite: clip(slope x + 0.5, 0, 1)
    # A block whose stride is left out is dilated like those after it.
    dilates_strided: bool = False
    last_conv: bool = False  # 1x1, to six times the last block's channels
    # The blocks that are outputs, by variant.
    taps: Mapping[str, tuple[int, ...]] = MappingProxyType(
        {"large": (2, 5, 11, 14), "small": (0, 2, 7, 10)}
    )

    skips: tuple[Skip, ...] = (Skip(8, 64), Skip(4, 32))
    # Logits are the sum of those of the deepest features and of one skip connection.
    adds_logits: bool = False
    head_epsilon: float = 1e-5
    head_biases: bool = False  # of the convolutions without a batch norm
    align_corners: bool = False  # of the resize of the large-kernel gate
    dropout: float = 0.0  # of whole channels, before the last convolution

    def normalization(
        self, channels: int
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Returns mean and deviation of each channel of pixels.

        Of other channels than RGB, they are the averages over RGB.
        """
        if channels == 3:
            return self.mean, self.deviation
        return (sum(self.mean) / 3,) * channels, (sum(self.deviation) / 3,) * channels


_IMAGENET = {
    "mean": (123.675, 116.28, 103.53),
    "deviation": (58.395, 57.12, 57.375),
}
# As in the code that the paper's authors published, which Keras's applications follow.
_TENSORFLOW = Family(
    symmetric_padding=False,
    epsilon=1e-3,
    always_expands=False,
    expands_scaled=True,
    rounds_squeezed=True,
    gate_slope=1 / 6,
    dilates_strided=True,
    last_conv=True,
    taps=MappingProxyType(
        {"large": (0, 2, 5, 11, LAST_CONV), "small": (STEM, 0, 2, 7, LAST_CONV)}
    ),
    skips=(Skip(4, 64), Skip(2, 32)),
    head_biases=True,
)

FAMILIES: dict[FamilyName, Family] = {
    "paddleseg": Family(),
    "tensorflow": _TENSORFLOW._replace(momentum=0.999),
    "fastseg": _TENSORFLOW._replace(**_IMAGENET, align_corners=True),
    "mmseg": _TENSORFLOW._replace(**_IMAGENET, head_epsilon=1e-3, dropout=0.1),
    "torchvision": _TENSORFLOW._replace(
        **_IMAGENET,
        symmetric_padding=True,
        momentum=0.99,
        expands_scaled=False,
        # The first block of each stage, where its segmentation networks tap.
        taps=MappingProxyType(
            {"large": (STEM, 1, 3, 6, LAST_CONV), "small": (STEM, 0, 1, 3, LAST_CONV)}
        ),
        skips=(Skip(8, 0),),
        adds_logits=True,
    ),
}
assert tuple(FAMILIES) == get_args(FamilyName)

# Families of the weights that `backbone_weights` names.
_BACKBONE_FAMILIES = {
    row.name: cast("FamilyName", row.family) for row in BACKBONE_WEIGHTS
}


def choose_family(
    family: FamilyName | None, backbone_weights: object = None
) -> FamilyName:
    """Returns a family, or without one that of the weights for the backbone.

    Args:
        family: A name, or `None`.
        backbone_weights: As of `LRASPP`; other weights than the named ones are taken
            for PaddleSeg's.
    """
    return family or _BACKBONE_FAMILIES.get(str(backbone_weights), "paddleseg")
