"""The archive for Cityscapes' server, against labels and names by hand."""

import io
import shutil
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from harness.image_files import write_pairs
from harness.pixel_model import expected_labels, pixel_model
from keras_lraspp.data import Cityscapes
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.evaluation.evaluate import evaluate
from keras_lraspp.evaluation.submission import check_submission, writing_submission

LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


@pytest.fixture
def tree(scenes_root, tmp_path):
    """The val scenes, and the same images again as a test split without labels."""
    shutil.copytree(scenes_root, tmp_path / "tree")
    images = tmp_path / "tree" / "leftImg8bit"
    shutil.copytree(images / "val", images / "test")
    pixel_model(19).save(tmp_path / "best.keras")
    return tmp_path


@pytest.mark.parametrize("split", ["val", "test"])
def test_label_ids_under_names_that_the_server_finds(tree, split, capsys):
    model = pixel_model(19)
    scores = evaluate(
        model=lambda num_classes: pixel_model(num_classes, seed=9),
        dataset=Cityscapes,
        data_root=tree / "tree",
        weights=tree / "best.keras",
        split=split,
        submission=tree / "out" / "submission.zip",
    )
    assert ("miou" in scores) == (split == "val")
    assert "4 images" in capsys.readouterr().out
    images = sorted((tree / "tree" / "leftImg8bit" / split).glob("*/*.png"))
    with zipfile.ZipFile(tree / "out" / "submission.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(names) == len(images) == 4
        for name, path in zip(names, images, strict=True):
            city, sequence, frame, _ = path.name.split("_")
            # The official script looks for this pattern, in any folder.
            assert name.startswith(f"{city}_{sequence}_{frame}") and ".png" in name
            found = np.asarray(Image.open(io.BytesIO(archive.read(name))))
            expected = expected_labels(model, np.asarray(Image.open(path)))
            np.testing.assert_array_equal(found, np.array(LABEL_IDS)[expected])


def test_what_cannot_be_submitted(scenes_root, tmp_path):
    scenes = Cityscapes(scenes_root, "val")
    with pytest.raises(InputError, match=r"\.zip"):
        check_submission(scenes, "out.tar")
    with pytest.raises(InputError, match="19 classes"):
        check_submission(write_pairs(tmp_path, 1), "out.zip")
    records = SimpleNamespace(name="shards", classes=scenes.classes)
    with pytest.raises(InputError, match="image files, which shards has not"):
        check_submission(records, "out.zip")
    with pytest.raises(InputError, match="_leftImg8bit"):
        check_submission(
            write_pairs(tmp_path, 1, classes=scenes.classes, num_classes=19), "out.zip"
        )


def test_a_fault_midway_leaves_the_old_archive(scenes_root, tmp_path):
    scenes, path = Cityscapes(scenes_root, "val"), tmp_path / "out.zip"
    path.write_text("old")
    with pytest.raises(StorageError, match="out.zip"):
        with writing_submission(scenes, path) as write:
            write(np.zeros((1, 4, 4), np.uint8))
            raise OSError(28, "No space left on device")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["out.zip"]
