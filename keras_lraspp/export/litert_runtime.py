"""A LiteRT file, run in LiteRT; TensorFlow is not needed."""

import os

import numpy as np

from keras_lraspp.export.litert_metadata import read_entries
from keras_lraspp.export.metadata import INPUT, OUTPUTS, Metadata


class LiteRTFile:
    """A LiteRT file from one uint8 image to labels or scores, ready to be run.

    Args:
        content: The file.
        threads: Number of threads; `None` for one per core.

    Attributes:
        outputs: Names of what it returns.
        size: (height, width) of its images.
        metadata: What the file says of itself.

    Raises:
        ValueError: If it is no such file; damaged ones raise other errors, too.
    """

    def __init__(self, content: bytes, threads: int | None = None):
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(
            model_content=content, num_threads=threads or os.cpu_count() or 1
        )
        self._run = self._interpreter.get_signature_runner()
        pixels = self._run.get_input_details()[INPUT]
        made = self._run.get_output_details()
        if pixels["dtype"] is not np.uint8 or len(pixels["shape"]) != 4:
            raise ValueError("its input is not uint8 (1, H, W, 3)")
        self.outputs = tuple(name for name in OUTPUTS if name in made)
        if not self.outputs:
            raise ValueError(f"it returns {', '.join(made) or 'nothing'}")
        self.size = tuple(int(side) for side in pixels["shape"][1:3])
        scores = [made[name]["shape"][-1] for name in self.outputs[-1:]]
        count = 0 if self.outputs == ("labels",) else int(scores[0])
        self.metadata = Metadata.of_entries(read_entries(content), count)

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the outputs by name of uint8 images (B, *size, 3), one by one."""
        results = [self._run(**{INPUT: image[None]}) for image in images]
        if len(results) == 1:
            return results[0]
        return {
            name: np.concatenate([result[name] for result in results])
            for name in self.outputs
        }
