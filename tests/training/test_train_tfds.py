"""A training from records of TensorFlow Datasets."""

from functools import partial

import numpy as np
import pytest
import tensorflow_datasets as tfds

from harness import tiny
from keras_lraspp.data import TFDS
from keras_lraspp.run_dir.record import RUN_RECORD, read_run_record


class TinyPictures(tfds.core.GeneratorBasedBuilder):
    """Pictures whose brightness says the class."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "mask": tfds.features.Image(shape=(None, None, 1)),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in ("train", "test")}

    def _generate_examples(self, split):
        rng = np.random.default_rng(len(split))
        for index in range(6):
            mask = rng.integers(0, 3, (5, 7, 1)).repeat(8, 0).repeat(8, 1) + 1
            image = np.broadcast_to(80 * mask - 40, (*mask.shape[:2], 3))
            yield index, {"image": image.astype("uint8"), "mask": mask.astype("uint8")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    TinyPictures(data_dir=str(folder)).download_and_prepare(download_config=config)
    return folder


def test_it_trains_evaluates_and_notes_its_records(folder, tmp_path):
    dataset = partial(
        TFDS,
        name="tiny_pictures",
        label="mask",
        num_classes=3,
        label_lookup={1: 0, 2: 1, 3: 2},
    )
    result = tiny.run(folder, tmp_path / "run", dataset=dataset)
    assert result.step == 10 and result.best_miou > 0.2
    assert (tmp_path / "run/report.html").is_file()
    validation = read_run_record(tmp_path / "run" / RUN_RECORD).validation
    assert (validation.name, len(validation)) == ("tiny_pictures", 6)
    assert "test.tfrecord-00000-of-00001 record 5" in str(validation.images[5])
