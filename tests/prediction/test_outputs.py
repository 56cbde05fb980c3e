"""What the results of images and videos are called, and how they are drawn."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import random_images
from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.errors import InputError
from keras_lraspp.palettes import picture_palette
from keras_lraspp.prediction.outputs import (
    KINDS,
    DrawingStyle,
    Job,
    check_result_kinds,
    frame_job,
    image_jobs,
    result_paths,
    video_job,
    write_results,
)
from keras_lraspp.visualize import colorize, overlay

OUT = Path("out")


def test_results_mirror_the_images():
    paths = [Path("in/b.png"), Path("in/a/x.png"), Path("in/a/x.jpg")]
    jobs = image_jobs(Path("in"), paths, OUT, ["labels", "probabilities"])
    assert [job.image for job in jobs] == paths
    assert [job.labels for job in jobs] == [
        OUT / "b_labels.png",
        OUT / "a/x.png_labels.png",
        OUT / "a/x.jpg_labels.png",
    ]
    assert jobs[0].results == {
        "labels": OUT / "b_labels.png",
        "probabilities": OUT / "b_probabilities.npz",
    }


def test_a_video_has_videos_and_folders_of_frames():
    job = video_job(Path("in/drive.mov"), OUT, ["labels", "color", "overlay"])
    assert job.results == {
        "labels": OUT / "drive_labels",
        "color": OUT / "drive_color.mp4",
        "overlay": OUT / "drive_overlay.mp4",
    }
    assert frame_job(job, 12).results == {"labels": OUT / "drive_labels/000012.png"}


def test_an_image_is_never_overwritten():
    images = [Path("in/a.png"), Path("in/a_color.png")]
    with pytest.raises(InputError, match="a_color.png would overwrite"):
        image_jobs(Path("in"), images, Path("in"), ["labels", "color"])
    assert len(image_jobs(Path("in"), images, Path("in"), ["labels"])) == 2


def test_outputs_are_put_in_order():
    assert check_result_kinds(["overlay", "labels", "overlay"]) == ("labels", "overlay")
    assert check_result_kinds("color") == ("color",)


@pytest.mark.parametrize(
    ("outputs", "said"), [([], "not nothing"), (["labels", "colour"], "not 'colour'")]
)
def test_other_outputs_are_refused(outputs, said):
    with pytest.raises(
        InputError, match=f"labels, color, overlay, probabilities, {said}"
    ):
        check_result_kinds(outputs)


def test_overlays_have_colours_of_their_own():
    """Those that are told apart over an image, unless others are asked for."""
    image, labels = random_images(20, 30), np.zeros((20, 30), np.uint8)
    labels[:, 15:] = 13
    names, own = CLASS_SETS["cityscapes"]
    style = DrawingStyle(classes=CLASS_SETS["cityscapes"])
    for given, palette in (
        (style, picture_palette(style.classes)),
        (dataclasses.replace(style, palette=own), own),
    ):
        laid = overlay(image, labels, palette)
        np.testing.assert_array_equal(given.overlay(image, labels), laid)
        np.testing.assert_array_equal(given.color(labels), colorize(labels, own))


def test_small_regions_leave_the_picture_and_stay_in_the_files(tmp_path):
    image, labels = random_images(20, 30), np.zeros((20, 30), np.uint8)
    labels[5:10, 5:10] = 2
    style = DrawingStyle(classes=CLASS_SETS["cityscapes"], min_region=26)
    job = Job(tmp_path / "a.png", **result_paths(tmp_path, "a", KINDS[:3]))
    write_results(job, style, image, labels, None)
    found = {kind: np.array(Image.open(path)) for kind, path in job.results.items()}
    np.testing.assert_array_equal(found["labels"], labels)
    assert np.array_equal(found["color"] > 0, labels > 0)
    palette = picture_palette(style.classes)
    np.testing.assert_array_equal(
        found["overlay"], overlay(image, np.zeros_like(labels), palette)
    )
    # And in the legend, whose shares are those of the labels.
    listed = dataclasses.replace(style, legend=True).overlay(image, labels)
    assert (listed[20:] == palette[2]).all(-1).any()
