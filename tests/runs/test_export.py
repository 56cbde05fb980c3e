"""The export run: weights from a file, classes from the file or named."""

import numpy as np
import pytest
import tensorflow as tf

from harness.pixel_model import expected_labels, pixel_model, random_images
from keras_lraspp.errors import InputError
from keras_lraspp.runs.export import export


def fresh(num_classes):
    return pixel_model(num_classes, seed=99)


def test_the_weights_of_the_file_are_exported(tmp_path):
    trained = pixel_model(11, seed=3)
    trained.save(tmp_path / "best.keras")
    folder = export(
        model=fresh,
        weights=tmp_path / "best.keras",
        output_dir=tmp_path / "served",
        classes="camvid",
        version=2,
    )
    assert folder == tmp_path / "served" / "2"
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    images = random_images(1, 20, 30)
    labels = signature(image=tf.constant(images))["labels"]
    np.testing.assert_array_equal(labels, expected_labels(trained, images))


def test_missing_weights(tmp_path):
    with pytest.raises(InputError, match="none.keras"):
        export(
            model=fresh,
            weights=tmp_path / "none.keras",
            output_dir=tmp_path,
            classes=3,
        )
    assert not list(tmp_path.iterdir())
