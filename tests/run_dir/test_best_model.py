"""The best model and its counts: one file, so never of two evaluations."""

import io
import os
import zipfile

import keras
import numpy as np
import pytest

from harness.pixel_model import pixel_model, set_weights
from keras_lraspp.data import generic_class_set
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.metrics import ImageConfusion
from keras_lraspp.run_dir.best_model import SCORES, BestModel, read_best


def counted(seed, images=4):
    rng = np.random.default_rng(seed)
    confusion = ImageConfusion(5)
    confusion.update(*rng.integers(0, 5, (2, images, 6, 7)))
    return confusion


@pytest.fixture
def saved(tmp_path):
    """A best model of step 1, and its network."""
    data = Dataset(
        name="d",
        root=tmp_path,
        split="val",
        images=(),
        labels=(),
        classes=generic_class_set(5),
    )
    network = pixel_model()
    best = BestModel(tmp_path / "best.keras", data)
    best(network, 1, 0.25, counted(1))
    return best, network


def check(path, step, miou, confusion):
    found = read_best(path)
    assert (found.step, found.miou) == (step, miou)
    assert found.classes == generic_class_set(5)
    assert found.confusion.counts.tolist() == confusion.counts.tolist()
    assert np.array_equal(found.confusion.areas, confusion.areas)
    assert found.confusion.miou_interval() == confusion.miou_interval()


def test_counts_come_back_with_the_model(saved):
    best, network = saved
    check(best.path, 1, 0.25, counted(1))
    set_weights(network, 7)
    best(network, 9, 0.5, counted(2, images=3))
    check(best.path, 9, 0.5, counted(2, images=3))
    for one, other in zip(
        keras.saving.load_model(best.path).get_weights(),
        network.get_weights(),
        strict=True,
    ):
        assert np.array_equal(one, other)


def test_a_write_that_fails_leaves_the_model_with_its_own_counts(saved, monkeypatch):
    best, network = saved
    before = [value.copy() for value in network.get_weights()]
    set_weights(network, 7)

    def full(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match=f"Cannot write {best.path}: No space"):
        best(network, 9, 0.5, counted(2))
    monkeypatch.undo()
    check(best.path, 1, 0.25, counted(1))
    # What is shown is what is on the disk, not what should have got there.
    for one, other in zip(best.network(network).get_weights(), before, strict=True):
        assert np.array_equal(one, other)


def rewrite(path, members):
    """Writes the archive again with other members; `None` leaves one out."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in {**content, **members}.items():
            if value is not None:
                archive.writestr(name, value)


def test_files_that_are_not_of_a_training(saved, tmp_path, monkeypatch):
    path = saved[0].path
    assert read_best(tmp_path / "none.keras") is None
    rewrite(path, {SCORES: None})
    assert read_best(path).confusion is None  # as older versions wrote it
    arrays = io.BytesIO()
    np.savez_compressed(arrays, counts=np.zeros((4, 4)), areas=np.zeros((1, 2, 5)))
    rewrite(path, {SCORES: arrays.getvalue()})
    with pytest.raises(InputError, match=r"how it was scored \(counts \(4, 4\)"):
        read_best(path)
    monkeypatch.setattr("keras_lraspp.run_dir.best_model._LARGEST", 100)
    with pytest.raises(InputError, match="more than 100 bytes"):
        read_best(path)
    rewrite(path, {"keras_lraspp.json": None})
    with pytest.raises(InputError, match="best.keras does not say"):
        read_best(path)
