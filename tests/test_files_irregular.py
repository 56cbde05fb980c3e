"""Pipes, devices and links to themselves are refused wherever a path comes in."""

import os
import signal

import numpy as np
import pytest
from PIL import Image

import keras_lraspp
from keras_lraspp.config import load_config
from keras_lraspp.data.datasets.custom import FileList, FolderPair
from keras_lraspp.data.datasets.tfds import TFDS
from keras_lraspp.data.pairing import read_names
from keras_lraspp.data.prepare.archives import unpack_archives
from keras_lraspp.data.prepare.voc2012_aug import _read_mask
from keras_lraspp.data.shards.reader import Shards
from keras_lraspp.errors import InputError, UserError
from keras_lraspp.export.runtimes import open_exported
from keras_lraspp.images import read_image
from keras_lraspp.models.keras_file import open_weights
from keras_lraspp.palettes import read_palette
from keras_lraspp.prediction.video import read_video
from keras_lraspp.report.build import report
from keras_lraspp.run_dir.log import read_log
from keras_lraspp.weights import read_tensors
from keras_lraspp.weights.keras_archive import check_hdf5


@pytest.fixture(autouse=True)
def no_hang():
    """Ends what waits for a pipe."""

    def end(*_):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, 20, 1)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def include(path):
    outer = path.with_name("outer.gin")
    outer.write_text(f"include '{path}'\n")
    load_config([outer])


def listed(path):
    (path.parent / "train.txt").write_text(f"{path.name} {path.name}\n")
    dataset = FileList(path.parent, "train", num_classes=2, match_names=False)
    dataset.load(0)


def in_folders(path):
    root = path.parents[2]
    for folder in ("images", "labels"):
        other = root / folder / "train" / "a.png"
        other.parent.mkdir(parents=True, exist_ok=True)
        if other != path:
            Image.fromarray(np.zeros((4, 5), np.uint8)).save(other)
    FolderPair(root, "train", num_classes=2).load(0)


# Names of files, and what reads them.
PLACES = {
    "TFDS": (
        "toy/1.0.0/dataset_info.json",
        lambda path: TFDS(path.parents[2], name="toy"),
    ),
    "configuration": ("a.gin", lambda path: load_config([path])),
    "include": ("a.gin", include),
    "palette": ("a.json", lambda path: read_palette(path, ("a", "b"))),
    "palette text": ("a.txt", lambda path: read_palette(path, ("a", "b"))),
    "weights": ("a.keras", open_weights),
    "HDF5": ("a.weights.h5", check_hdf5),
    "preset": ("a.keras", keras_lraspp.LRASPP.from_preset),
    "PaddleSeg": ("a.pdparams", keras_lraspp.LRASPP.from_preset),
    "archive of PaddleSeg": ("a.tar.gz", keras_lraspp.LRASPP.from_preset),
    "PyTorch": ("a.pth", read_tensors),
    "safetensors": ("a.safetensors", read_tensors),
    "Segmenter": ("a.keras", keras_lraspp.Segmenter),
    "ONNX": ("a.onnx", open_exported),
    "LiteRT": ("a.tflite", open_exported),
    "SavedModel": ("saved_model.pb", lambda path: open_exported(path.parent)),
    "image": ("a.png", read_image),
    "image in a folder": ("images/train/a.png", in_folders),
    "label in a folder": ("labels/train/a.png", in_folders),
    "video": ("a.mp4", read_video),
    "list": ("train.txt", lambda path: FileList(path.parent, "train", num_classes=2)),
    "image in a list": ("a.png", listed),
    "list of names": ("train.txt", lambda path: read_names(path, path.parent, ".jpg")),
    "shards": ("shards.json", lambda path: Shards(path.parent, "train")),
    "zip archive": ("a.zip", lambda path: unpack_archives([path], path.parent, ["x"])),
    "mask of SBD": ("a.mat", _read_mask),
}


@pytest.mark.parametrize("place", PLACES)
def test_row_53_a_pipe_or_device_where_a_file_belongs(tmp_path, place):
    name, read = PLACES[place]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    makers = (
        os.mkfifo,
        lambda path: os.symlink("/dev/zero", path),
        lambda path: os.symlink(path.name, path),
    )
    for make in makers:
        make(path)
        with pytest.raises(UserError, match=r"\.$") as caught:
            read(path)
        assert "hangs" not in str(caught.value)
        path.unlink()


def test_row_53_in_the_folder_of_a_training(tmp_path):
    for name in ("config.gin", "run.json", "versions.json", "best.keras"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "log.csv").write_text("step,loss\n1,0.5\n")
    with pytest.warns(UserWarning, match="run.json is a pipe"):
        assert "training loss" in report(run=tmp_path).read_text()
    assert read_log(tmp_path / "run.json") == {}
    (tmp_path / "log.csv").unlink()
    os.mkfifo(tmp_path / "log.csv")
    with pytest.raises(InputError, match="holds no training"):
        report(run=tmp_path)
