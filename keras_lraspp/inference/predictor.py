"""What segmenting needs of a network, whatever runtime it runs in."""

from typing import Protocol

import keras
import numpy as np

from keras_lraspp.inference.labels import label_function, probability_function
from keras_lraspp.inference.options import DEFAULT, InferenceOptions


class Predictor(Protocol):
    """A network that is ready to be used.

    Attributes:
        num_classes: Number of classes.
        smallest_side: Smallest height and width of an image, in pixels.
        options: What is done beside one pass over the image.
    """

    num_classes: int
    smallest_side: int
    options: InferenceOptions

    def labels(self, images: np.ndarray) -> np.ndarray:
        """Returns the class of every pixel.

        Args:
            images: uint8 RGB (B, H, W, 3).

        Returns:
            (B, H, W): uint8 up to 256 classes, int32 above.

        Raises:
            InputError: For images of another shape or type, or of a size that the
                network does not take.
        """
        ...

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 (B, H, W, num_classes); images and errors as of `labels`."""
        ...


class KerasPredictor:
    """A Keras model as a `Predictor`; nothing is compiled before the first image.

    Args:
        model: Takes uint8 pixels (B, H, W, 3), returns logits (B, H, W, classes).
        options: See `label_function`.

    Attributes:
        model: The model.
        num_classes: Number of its classes.
        smallest_side: Smallest height and width that it takes, in pixels.
        options: The options.
        labels: `label_function` of it.
        probabilities: `probability_function` of it.
    """

    def __init__(self, model: keras.Model, options: InferenceOptions = DEFAULT):
        self.model = model
        self.num_classes = model.output_shape[-1]
        self.smallest_side = getattr(model, "smallest_side", 1)
        self.options = options
        self.labels = label_function(model, options)
        self.probabilities = probability_function(model, options)
