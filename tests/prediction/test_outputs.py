"""What the results of images and videos are called."""

from pathlib import Path

import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.prediction.outputs import (
    check_result_kinds,
    frame_job,
    image_jobs,
    video_job,
)

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
