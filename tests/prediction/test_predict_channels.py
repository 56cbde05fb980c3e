"""Prediction of images of one, four and six channels, from the files people have."""

import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from keras_lraspp import Segmenter
from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.errors import InputError
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.palettes import picture_palette
from keras_lraspp.prediction.outputs import DrawingStyle, Job
from keras_lraspp.prediction.predict import predict
from keras_lraspp.prediction.video import predict_video
from keras_lraspp.visualize import overlay

CAMVID = CLASS_SETS["camvid"]


def network(channels):
    return pixel_model(11, seed=3, input_shape=(None, None, channels))


def segment(channels, source, folder, **arguments):
    weights = folder / "best.keras"
    network(channels).save(weights)
    return predict(
        model=lambda num_classes: network(channels),
        weights=weights,
        input_path=source,
        output_dir=folder / "out",
        classes="camvid",
        **arguments,
    )


@pytest.mark.parametrize("channels", [1, 4, 6])
def test_images_of_so_many_channels(tmp_path, channels):
    photos = tmp_path / "photos"
    photos.mkdir()
    images = random_images(2, 12, 18, channels=channels)
    np.save(photos / "array.npy", images[0])
    suffix = "npy" if channels == 6 else "png"
    if channels == 6:
        np.save(photos / "picture.npy", images[1])
    else:
        Image.fromarray(images[1].squeeze()).save(photos / f"picture.{suffix}")
    jobs = segment(channels, photos, tmp_path)
    assert [job.image.name for job in jobs] == ["array.npy", f"picture.{suffix}"]
    for job, image in zip(jobs, images, strict=True):
        labels = expected_labels(network(channels), image)
        np.testing.assert_array_equal(np.array(Image.open(job.labels)), labels)
        # The eye gets grey, or the first three.
        seen = image.repeat(3, -1) if channels == 1 else image[..., :3]
        laid = overlay(np.ascontiguousarray(seen), labels, picture_palette(CAMVID))
        np.testing.assert_array_equal(np.array(Image.open(job.overlay)), laid)


def test_a_file_of_other_channels_is_named(tmp_path, capsys):
    for name, channels in (("a", 3), ("b", 4)):
        image = Image.fromarray(random_images(12, 18, channels=channels))
        image.save(tmp_path / f"{name}.png")
    with pytest.raises(InputError, match="1 of 2 images failed"):
        segment(4, tmp_path, tmp_path)
    said = capsys.readouterr().err
    assert str(tmp_path / "a.png") in said and "4" in said and "b.png" not in said
    assert (tmp_path / "out" / "b_labels.png").is_file()


def test_a_video_is_rgb(tmp_path):
    segmenter, job = Segmenter(network(4), CAMVID), Job(tmp_path / "drive.mp4")
    with pytest.raises(InputError, match=r"drive\.mp4 is a video.* 4-channel images"):
        predict_video(job, None, segmenter, DrawingStyle(classes=CAMVID), None)


def test_an_exported_file_reads_its_channels(tmp_path):
    model, image = network(4), random_images(12, 18, channels=4)
    export_onnx(model, tmp_path / "model.onnx", classes=CAMVID)
    Image.fromarray(image).save(tmp_path / "rgba.png")
    np.save(tmp_path / "rgba.npy", image)
    segmenter = Segmenter(tmp_path / "model.onnx")
    for picture in (tmp_path / "rgba.png", tmp_path / "rgba.npy", image):
        labels = segmenter(picture)
        np.testing.assert_array_equal(labels, expected_labels(model, image))
    with pytest.raises(InputError, match="this model takes no other number"):
        segmenter(image[..., :3])
