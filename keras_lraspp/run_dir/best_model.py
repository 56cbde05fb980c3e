"""Best model of a run, with the confusion counts that it was chosen by.

The counts are a member of `best.keras` itself. So they become visible in the same
rename as the weights, and belong to them however a run ends.
"""

import io
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.classes import ClassSet
from keras_lraspp.data.dataset import SegmentationDataset
from keras_lraspp.devices import precision_policy
from keras_lraspp.errors import InputError
from keras_lraspp.metrics import ImageConfusion
from keras_lraspp.models.keras_file import (
    CARD_MEMBER,
    load_weights,
    read_classes,
    save_network,
)
from keras_lraspp.run_dir.folder import put_aside
from keras_lraspp.schema import Index, Share
from keras_lraspp.weights.keras_archive import read_keras_archive

BEST = "best.keras"  # in the folder of a run
BEST_EMA = "best_ema.keras"  # the same of the averaged weights
SCORES = "validation_scores.npz"  # member of `best.keras`: counts and areas
_LARGEST = 256 << 20  # bytes, unpacked; 500 images of 19 classes take 152 000


class BestScores(NamedTuple):
    """Scores that are stored in a `best.keras`."""

    step: int  # training steps that it had
    miou: float  # on the validation set, 0..1
    classes: ClassSet
    confusion: ImageConfusion | None  # `None` if it was saved without


class BestModel:
    """Keeps the network without its optimizer, in float32, with classes and counts."""

    def __init__(self, path: Path, dataset: SegmentationDataset):
        self.path = path
        self.dataset = dataset
        self._copy = None  # built once: building takes longer than saving
        self._filled = False  # whether it has the weights of the file

    def __call__(
        self, network: keras.Model, step: int, miou: float, confusion: ImageConfusion
    ) -> Path:
        """Writes the file crash-safely and returns its path."""
        copy = self._float32_copy(network)
        self._filled = False
        copy.set_weights(network.get_weights())
        save_network(
            copy,
            self.path,
            self.dataset.classes,
            members={SCORES: _pack(confusion)},
            dataset=self.dataset.name,
            miou=miou,
            step=step,
        )
        self._filled = True
        return self.path

    def network(self, like: keras.Model) -> keras.Model:
        """Returns the network in the file; `like` is the one in training."""
        copy = self._float32_copy(like)
        if not self._filled:
            load_weights(copy, self.path)
            self._filled = True
        return copy

    def _float32_copy(self, network: keras.Model) -> keras.Model:
        if self._copy is None:
            config = network.get_config()
            if "dtype" in config:
                config["dtype"] = "float32"
            config.pop("layer_settings", None)  # of this training
            with precision_policy("float32"):
                self._copy = type(network).from_config(config)
            for layer in self._copy._flatten_layers():
                layer.trainable = True  # also what `train.frozen` left out
        return self._copy


def read_best(path: Path) -> BestScores | None:
    """Reads the scores in a `best.keras`; `None` if there is no such file.

    Raises:
        InputError: If it is damaged, or was not written by a training.
    """
    if not path.is_file():
        return None
    file = read_keras_archive(path)
    classes = read_classes(file)
    try:
        step, miou = file.read_json(CARD_MEMBER, _Scored, extra=True)
        confusion = None
        with zipfile.ZipFile(path) as archive:
            if SCORES in archive.namelist():
                _check_size(archive, SCORES)
                confusion = _unpack(archive.read(SCORES), len(classes.names))
    except Exception as error:  # a damaged archive raises many kinds
        raise InputError(
            f"{path} does not say how it was scored ({error}); give the folder of a "
            f"training."
        ) from error
    return BestScores(step, miou, classes, confusion)


class _Scored(NamedTuple):
    step: Index
    miou: Share


def find_best(path: Path, expected: float | None) -> tuple[int, float | None]:
    """Returns step and mIoU of the best model that a resumed run has, 0 and `None`.

    A damaged one is put aside. `expected` is the mIoU that the checkpoint knows of.
    """
    try:
        best = read_best(path)
    except InputError as error:
        put_aside(path, f"{error} The next evaluation writes a new one.")
        return 0, None
    if best is not None:
        return best.step, best.miou
    if expected is not None:
        warnings.warn(
            f"{path} is gone; the next evaluation writes a new one.", stacklevel=2
        )
    return 0, None


def _pack(confusion: ImageConfusion) -> bytes:
    content = io.BytesIO()
    areas = np.array(confusion.areas).reshape(-1, 2, confusion.num_classes)
    np.savez_compressed(content, counts=confusion.counts, areas=areas)
    return content.getvalue()


def _unpack(content: bytes, num_classes: int) -> ImageConfusion:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.namelist():
            _check_size(archive, member)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        counts, areas = arrays["counts"], arrays["areas"]
    expected = (num_classes, num_classes), (2, num_classes)
    if (counts.shape, areas.shape[1:]) != expected:
        raise ValueError(f"counts {counts.shape} and areas {areas.shape}")
    confusion = ImageConfusion(num_classes, ignore_label=None)
    confusion.counts, confusion.areas = counts.astype(np.int64), [*areas]
    return confusion


def _check_size(archive: zipfile.ZipFile, member: str) -> None:
    if archive.getinfo(member).file_size > _LARGEST:
        raise ValueError(f"{member} has more than {_LARGEST} bytes")
