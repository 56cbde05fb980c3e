"""Whether an exported model does what the Keras model does."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from keras_lraspp.errors import UserError
from keras_lraspp.export.parity_images import check_image, check_sizes, fitted

SMALLEST_AGREEMENT = 0.999  # share of pixels with the same label

Call = Callable[[np.ndarray], np.ndarray]


class ParityError(UserError):
    """An exported model gives other labels than the Keras model."""


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """How an exported file compares with the Keras model that it was made of.

    Attributes:
        path: The file or folder.
        format: `"saved_model"`, `"onnx"` or `"litert"`.
        precision: `"float32"`, or that of its weights.
        runtime: What ran it, with the version.
        sizes: (height, width) of the images that were compared.
        given_images: How many of them were given; the others were drawn.
        pixels: Number of pixels of all images.
        agreement: Share of pixels with the same label.
        max_logit_difference: Largest difference of a logit; `None` if not compared.
        largest_logit: Largest magnitude of the Keras model's logits.
    """

    path: Path
    format: str
    precision: str
    runtime: str
    sizes: tuple[tuple[int, int], ...]
    given_images: int
    pixels: int
    agreement: float
    max_logit_difference: float | None
    largest_logit: float

    def as_dict(self) -> dict:
        """Returns it for JSON; of the path only the name."""
        return {**asdict(self), "path": self.path.name}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The numbers of a `ParityReport`, in its words."""

    sizes: tuple[tuple[int, int], ...]
    given_images: int
    pixels: int
    agreement: float
    max_logit_difference: float | None
    largest_logit: float


def compare(
    model: keras.Model,
    labels: Call,
    logits: Call | None = None,
    *,
    sides: tuple[int | None, int | None] = (None, None),
    images: Iterable[np.ndarray] = (),
) -> Comparison:
    """Compares an exported model with the Keras model, image by image.

    Args:
        model: Takes uint8 pixels (B, H, W, 3), returns logits (B, H, W, classes).
        labels: The exported model: uint8 images (1, H, W, 3) to labels (1, H, W).
        logits: The same to logits (1, H, W, classes); `None` to leave them out.
        sides: The only height and width that it takes; `None` for any.
        images: uint8 RGB (H, W, 3), e.g. of a validation set; resized to `sides`.
            Drawn ones are compared as well, of two odd sizes if any will do.

    Returns:
        What was found.
    """
    given = [fitted(image, sides) for image in images]
    pictures = given + [check_image(*size) for size in check_sizes(model, sides)]
    equal, pixels, difference, largest = 0, 0, 0.0, 0.0
    for picture in pictures:
        scores = keras.ops.convert_to_numpy(model(picture, training=False))
        found = labels(picture)
        if found.shape != scores.shape[:-1]:
            raise ParityError(
                f"The exported model gives labels {found.shape} where the Keras model "
                f"gives {scores.shape[:-1]}; nothing was exported."
            )
        equal += int(np.sum(found == scores.argmax(-1)))
        pixels += found.size
        largest = max(largest, float(np.abs(scores).max()))
        if logits is not None:
            gap = float(np.abs(logits(picture) - scores).max())
            difference = max(difference, gap) if gap == gap else gap
    return Comparison(
        sizes=tuple(picture.shape[1:3] for picture in pictures),
        given_images=len(given),
        pixels=pixels,
        agreement=equal / pixels,
        max_logit_difference=None if logits is None else difference,
        largest_logit=largest,
    )


def require_agreement(agreement: float, what: str) -> None:
    """Raises ParityError if too few labels agree; `what` is e.g. "The ONNX file"."""
    if not agreement >= SMALLEST_AGREEMENT:
        raise ParityError(
            f"{what} gives the Keras model's labels on {agreement:.2%} of the pixels, "
            f"less than {SMALLEST_AGREEMENT:.1%}; nothing was exported."
        )


def check_agreement(expected: np.ndarray, found: np.ndarray, what: str) -> float:
    """Compares labels of a Keras model with those of its exported file.

    Args:
        expected: Integer labels of the Keras model.
        found: Those of the file.
        what: The file, for the error.

    Returns:
        The share of pixels with the same label.

    Raises:
        ParityError: If it is below `SMALLEST_AGREEMENT`, or shapes differ.
    """
    if expected.shape != found.shape:
        raise ParityError(
            f"{what} gives labels {found.shape} where the Keras model gives "
            f"{expected.shape}; nothing was exported."
        )
    agreement = float(np.mean(expected == found))
    require_agreement(agreement, what)
    return agreement
