"""Image in, labels out."""

import os
from pathlib import Path

import keras
import numpy as np
from PIL import Image, ImageOps

from keras_lraspp.data.label_maps import ClassSet, generic_class_set
from keras_lraspp.data.reading import read_image
from keras_lraspp.errors import InputError
from keras_lraspp.inference.labels import label_function
from keras_lraspp.inference.overlay import overlay

Picture = str | os.PathLike | Image.Image | np.ndarray


class Segmenter:
    """Segments photographs, however they come.

    Args:
        model: Takes uint8 pixels (B, H, W, 3), returns logits (B, H, W, classes).
        classes: Names and colours of the model's classes; `None` for "class 0",
            "class 1", ... in PASCAL VOC's colours.

    Attributes:
        model: The model.
        classes: Its classes.

    Raises:
        InputError: If `classes` are not as many as the model's.

    Example:
        ```python
        segmenter = keras_lraspp.Segmenter(model, CLASS_SETS["cityscapes"])
        labels = segmenter("street.jpg")
        PIL.Image.fromarray(segmenter.overlay("street.jpg")).show()
        ```
    """

    def __init__(self, model: keras.Model, classes: ClassSet | None = None):
        """Takes the model; nothing is compiled before the first image."""
        num_classes = model.output_shape[-1]
        self.model = model
        self.classes = generic_class_set(num_classes) if classes is None else classes
        if len(self.classes.names) != num_classes:
            raise InputError(
                f"The model predicts {num_classes} classes, but "
                f"{len(self.classes.names)} are named; give as many names."
            )
        self._labels_of = label_function(model)

    def __call__(self, image: Picture) -> np.ndarray:
        """Returns the class of every pixel.

        Args:
            image: A file, a PIL image, uint8 RGB (H, W, 3), or a batch of such
                (B, H, W, 3). The orientation that a camera noted is applied to files
                and PIL images.

        Returns:
            (H, W), or (B, H, W) for a batch, of the size of the upright image: uint8
            up to 256 classes, int32 above.

        Raises:
            InputError: If the file cannot be read, or the image is of another type
                or of a size that the model does not take.
        """
        pixels = self.pixels(image)
        if pixels.ndim == 4:
            return self._labels_of(pixels)
        return self._labels_of(pixels[None])[0]

    def overlay(
        self, image: Picture, *, opacity: float = 0.5, borders: bool = True
    ) -> np.ndarray:
        """Returns one image with its labels laid over it, uint8 RGB (H, W, 3).

        Args:
            image: As for a call, but no batch.
            opacity: Weight of the colours, 0 to 1.
            borders: Whether to draw a thin line around each region.
        """
        pixels = self.pixels(image)
        labels = self(pixels)
        return overlay(pixels, labels, self.classes.palette, opacity, borders)

    @staticmethod
    def pixels(image: Picture) -> np.ndarray:
        """Returns what the model gets to see of `image`: uint8 RGB."""
        if isinstance(image, (str, os.PathLike)):
            return read_image(Path(image), apply_exif=True)
        if isinstance(image, Image.Image):
            if image.mode.startswith(("I", "F")):  # Pillow would cut off above 255
                raise InputError(
                    f"A PIL image of mode {image.mode} has more than 8 bits per "
                    f"channel; give its file, or an image of mode RGB or L."
                )
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
        return np.asarray(image)
