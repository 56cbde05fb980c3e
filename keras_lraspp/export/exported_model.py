"""An exported file behind one interface, whatever runs it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from keras_lraspp.errors import InputError
from keras_lraspp.export.metadata import Metadata, NamedClasses

Run = Callable[[str, np.ndarray], np.ndarray]


class ExportedModel:
    """An exported file that is ready to be used.

    Args:
        path: The file or folder, for errors.
        run: Called as `run(output, images)`.
        outputs: The outputs that it has, some of `OUTPUTS`.
        sides: Height and width of its images; `None` where any will do.
        metadata: What the file says of itself.

    Attributes:
        path: The file or folder.
        outputs: Names of the outputs.
        sides: As above.
        metadata: As above.
    """

    def __init__(
        self,
        path: Path,
        run: Run,
        outputs: Sequence[str],
        sides: tuple[int | None, int | None],
        metadata: Metadata,
    ):
        self.path = path
        self.outputs = tuple(outputs)
        self.sides = sides
        self.metadata = metadata
        self._run = run

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 if the file does not say it."""
        return self.metadata.num_classes

    @property
    def smallest_side(self) -> int:
        """Smallest height and width of an image, in pixels."""
        return self.metadata.smallest_side

    @property
    def variant(self) -> str | None:
        """Name of the network, if the file says it."""
        return self.metadata.variant

    @property
    def classes(self) -> NamedClasses | None:
        """Names and colours of the classes, if the file says them."""
        return self.metadata.classes

    @property
    def size(self) -> tuple[int, int] | None:
        """The only (height, width) of images, `None` if a side is free."""
        return None if None in self.sides else self.sides

    def labels(self, images: np.ndarray) -> np.ndarray:
        """Returns the class of every pixel.

        Args:
            images: uint8 RGB (B, H, W, 3).

        Returns:
            (B, H, W): uint8 up to 256 classes, int32 above.

        Raises:
            InputError: For images of another shape or type, or of a size that the
                file does not take.
        """
        self._check(images)
        if "labels" in self.outputs:
            found = self._run("labels", images)
        else:
            found = self._run(self.outputs[0], images).argmax(-1)
        return found.astype("uint8" if 0 < self.num_classes <= 256 else "int32")

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 (B, H, W, classes); images and errors as of `labels`.

        Raises:
            InputError: Also if the file has no output `logits`.
        """
        return self._scores("logits", images)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 (B, H, W, classes), 0 to 1; see `logits`.

        Raises:
            InputError: Also if the file has neither `probabilities` nor `logits`.
        """
        if "probabilities" not in self.outputs and "logits" in self.outputs:
            logits = self._scores("logits", images)
            raised = np.exp(logits - logits.max(-1, keepdims=True))
            return raised / raised.sum(-1, keepdims=True)
        return self._scores("probabilities", images)

    def _scores(self, name: str, images: np.ndarray) -> np.ndarray:
        if name not in self.outputs:
            raise InputError(
                f"{self.path} has no output {name}, only {', '.join(self.outputs)}; "
                f"export it with --outputs=labels,{name}."
            )
        self._check(images)
        return self._run(name, images)

    def _check(self, images: np.ndarray) -> None:
        shape, dtype = np.shape(images), getattr(images, "dtype", type(images))
        if len(shape) != 4 or shape[-1] != 3 or dtype != np.uint8 or 0 in shape:
            raise InputError(
                f"Images are uint8 (batch, height, width, 3), not {dtype} {shape}."
            )
        pairs = zip(self.sides, shape[1:3], strict=True)
        if any(side not in (None, given) for side, given in pairs):
            raise InputError(
                f"The image is {shape[1]}x{shape[2]}, but {self.path} was exported for "
                f"{'x'.join(str(side or 'any') for side in self.sides)}; resize the "
                f"image, or export the model for its size."
            )
        if min(shape[1:3]) < self.smallest_side:
            raise InputError(
                f"The image is {shape[1]}x{shape[2]}, but the smallest side of "
                f"{self.path} is {self.smallest_side} pixels; enlarge the image."
            )
