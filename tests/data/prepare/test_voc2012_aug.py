"""SBD's masks beside PASCAL VOC's."""

import sys

import numpy as np
import pytest
from PIL import Image

from harness import trees
from harness.image_files import classes, write
from keras_lraspp.data import CLASS_SETS, VOC2012
from keras_lraspp.data.prepare.voc2012_aug import prepare_voc
from keras_lraspp.errors import InputError

ADDED = ("2008_000001", "2008_000002")


@pytest.fixture
def folders(tmp_path):
    """VOC 2012, and SBD with the masks of all its images."""
    scipy_io = pytest.importorskip("scipy.io")
    voc, sbd = trees.voc2012(tmp_path / "VOC2012"), tmp_path / "benchmark_RELEASE"
    for seed, stem in enumerate(("2007_000032", "2007_1", *ADDED)):
        path = sbd / f"dataset/cls/{stem}.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {
            "Boundaries": np.zeros((20, 1)),
            "Segmentation": classes(*trees.SIZE, 21, seed=seed),
            "CategoriesPresent": 1,
        }
        scipy_io.savemat(path, {"GTcls": record}, do_compression=True)
    return voc, sbd


def test_masks_and_lists(folders):
    voc, sbd = folders
    assert prepare_voc(voc, sbd, progress=False) == ((2, 0, 0), 4)
    names = (voc / "ImageSets/Segmentation/trainaug.txt").read_text().split()
    assert names == ["2007_000032", "2007_000039", *ADDED]
    assert (voc / "ImageSets/Segmentation/aug.txt").read_text().split() == [*ADDED]
    for seed, stem in enumerate(ADDED, 2):
        picture = Image.open(voc / f"SegmentationClassAug/{stem}.png")
        assert picture.mode == "P"
        np.testing.assert_array_equal(picture, classes(*trees.SIZE, 21, seed=seed))
        palette = picture.getpalette()[: 3 * 21]
        assert palette == np.ravel(CLASS_SETS["voc2012"].palette).tolist()
    dataset = VOC2012(voc, augmented=True)
    assert [path.stem for path in dataset.labels] == names


def test_it_goes_on_where_it_stopped(folders):
    voc, sbd = folders
    prepare_voc(voc, sbd, progress=False)
    first, second = sorted((voc / "SegmentationClassAug").iterdir())
    first.unlink()
    stamp = second.stat().st_mtime_ns
    assert prepare_voc(voc.parent, sbd / "dataset", progress=False) == ((1, 1, 0), 4)
    assert second.stat().st_mtime_ns == stamp


def test_no_list_appears_before_all_masks_are_there(folders):
    voc, sbd = folders
    write(sbd / "dataset/cls/2008_000001.mat", b"no mask")
    trees.jpeg(voc / "JPEGImages/2008_000002.jpg", 0, size=(5, 5))
    with pytest.raises(InputError, match="^2 of 2 masks of SBD cannot be") as caught:
        prepare_voc(voc, sbd, progress=False)
    assert "2008_000001.mat is no mask of SBD" in str(caught.value)
    assert "2008_000002.mat has another size than" in str(caught.value)
    assert not (voc / "ImageSets/Segmentation/trainaug.txt").exists()
    assert not (voc / "SegmentationClassAug").exists()


def test_what_is_not_as_it_should_be(folders, monkeypatch):
    voc, sbd = folders
    with pytest.raises(InputError, match="No masks match .*cls/.*--sbd"):
        prepare_voc(voc, voc, progress=False)
    (voc / "ImageSets/Segmentation/trainaug.txt").write_text("2007_000032\n")
    with pytest.raises(
        InputError, match="trainaug.txt is there and lists other images"
    ):
        prepare_voc(voc, sbd, progress=False)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(InputError, match="needs scipy .*`pip install scipy`"):
        prepare_voc(voc, sbd, progress=False)
