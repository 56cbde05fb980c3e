"""Image files inside of other files are read as those on disk are."""

import numpy as np
import pytest

from harness.image_files import (
    FAULTY,
    classes,
    dataset_of,
    encoded,
    exif_with,
    noise,
    palette_image,
    png_bytes,
    write,
)
from keras_lraspp.data.decode import load_sample
from keras_lraspp.data.label_spec import read_label
from keras_lraspp.errors import InputError
from keras_lraspp.images import DamagedFileError, EncodedImage, read_image

DATASET = dataset_of([])
LABELS = {
    "grey": encoded(classes(6, 8), "PNG"),
    "palette": encoded(palette_image(classes(6, 8)), "PNG"),
    "16 bits": encoded(classes(6, 8).astype(np.uint16) * 300, "PNG"),
    "2 bits": png_bytes(4, 2, 2, 0, bytes([0, 0b00011011, 0, 0b11100100])),
}
IMAGES = {
    "PNG": encoded(noise(6, 8), "PNG"),
    "JPEG": encoded(noise(6, 8), "JPEG", exif=exif_with(6)),
    "grey": encoded(classes(6, 8), "PNG"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels(tmp_path, kind):
    path = write(tmp_path / "label.png", LABELS[kind])
    expected = read_label(path, DATASET)
    found = read_label(EncodedImage("inside", LABELS[kind]), DATASET)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.parametrize("kind", IMAGES)
def test_images(tmp_path, kind):
    path = write(tmp_path / "image.png", IMAGES[kind])
    inside = EncodedImage("inside", IMAGES[kind])
    np.testing.assert_array_equal(read_image(inside), read_image(path))
    label = EncodedImage("label", LABELS["grey"])
    image, _ = load_sample(inside, label, DATASET)
    np.testing.assert_array_equal(image, read_image(path, apply_exif=False))


@pytest.mark.parametrize("fault", FAULTY, ids=lambda fault: fault.name)
def test_faults_are_named_by_where_they_are(fault):
    inside = EncodedImage("shard record 7", fault.content())
    kind = DamagedFileError if fault.damaged else InputError
    with pytest.raises(kind, match=f"^shard record 7 .*{fault.says}"):
        read_image(inside)
