"""The log read back, against sums done by hand."""

import csv

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from harness.mutations import mutate
from keras_lraspp.run_dir.log import (
    MetricLogger,
    Series,
    downsample,
    read_log,
    smooth,
    training_seconds,
)


def test_a_log_that_is_still_written_to(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "step,loss,learning_rate,images_per_second,miou,pixel_accuracy\n"
        "2,1.5,0.1,,,\n"
        "4,nan,0.2,8.0,,\n"
        "4,,,,0.25,0.5\n"
        "x,3.0,,,,,,surplus\n"
        "6,0.5,0.0"
    )
    found = {name: [*map(list, series)] for name, series in read_log(path).items()}
    assert found == {
        "loss": [[2, 6], [1.5, 0.5]],
        "learning_rate": [[2, 4, 6], [0.1, 0.2, 0.0]],
        "images_per_second": [[4], [8.0]],
        "miou": [[4], [0.25]],
        "pixel_accuracy": [[4], [0.5]],
    }
    assert read_log(tmp_path / "none.csv") == {}


def test_smoothing_is_a_mean_that_stays_in_the_middle():
    values = np.random.default_rng(0).normal(size=100)
    found = smooth(Series(np.arange(100.0), values))
    for place, value in enumerate(found.values):
        reach = min(3, place, 99 - place)  # 100 // 15 points: 3 to either side
        expected = values[place - reach : place + reach + 1].mean()
        np.testing.assert_allclose(value, expected, atol=1e-12)


def test_a_long_series_is_thinned_to_means():
    series = Series(np.arange(1000.0), np.arange(1000.0) ** 2)
    found = downsample(series, most=250)
    assert found.steps.tolist() == [4 * n + 1.5 for n in range(250)]
    expected = [np.mean([(4 * n + k) ** 2 for k in range(4)]) for n in range(250)]
    np.testing.assert_allclose(found.values, expected)
    assert downsample(series, most=1000) is series


def test_training_time_from_the_rates():
    # 10 steps of 4 images at 2 images/s, then 10 at 8: 20 s and 5 s.
    rates = Series(np.array([10.0, 20.0]), np.array([2.0, 8.0]))
    assert training_seconds(rates, batch_size=4) == 25.0


def rows(folder):
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def events(folder):
    """(step, value) of everything TensorBoard would show."""
    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            found += [(event.step, value) for value in event.summary.value]
    return found


def hyper_parameters(folder):
    """What the HParams plugin reads: (trial, values, status) of a folder's run."""
    starts, ends = {}, {}
    for _, value in events(folder):
        metadata = value.metadata.plugin_data
        if metadata.plugin_name == "hparams":
            content = plugin_data_pb2.HParamsPluginData.FromString(metadata.content)
            if value.tag.endswith("session_start_info"):
                starts = content.session_start_info
            else:
                ends = content.session_end_info
    values = {
        name: getattr(v, v.WhichOneof("kind")) for name, v in starts.hparams.items()
    }
    return starts.group_name, values, ends and ends.status


def test_scalars_and_pictures_are_in_both_places(tmp_path):
    picture = np.arange(36, dtype=np.uint8).reshape(2, 6, 3)
    with MetricLogger(tmp_path) as journal:
        journal.log_scalars(10, {"loss": 1.5, "learning_rate": 0.1})
        journal.log_scalars(10, {"miou": 0.25})
        journal.log_image(10, "validation/a b/\udce9.png", picture, "what")
    assert [(row["step"], row["loss"], row["miou"]) for row in rows(tmp_path)] == [
        ("10", "1.5", ""),
        ("10", "", "0.25"),
    ]
    found = [(step, value) for step, value in events(tmp_path) if step]
    assert [(step, value.tag) for step, value in found] == [
        (10, "loss"),
        (10, "learning_rate"),
        (10, "miou"),
        (10, r"validation/a b/\udce9.png"),
    ]
    width, height, content = found[-1][1].tensor.string_val
    assert (width, height) == (b"6", b"2")
    assert np.array_equal(tf.io.decode_png(content), picture)
    assert found[-1][1].metadata.summary_description == "what"


def test_tensorboard_gets_the_hyper_parameters(tmp_path):
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "config.gin").write_text(
        "train.iterations = 500\ntrain.learning_rate = 0.05\ntrain.resume = False\n"
        "train.loss = @CrossEntropy\ntrain.patience = None\nevaluate.flip = True\n"
    )
    with MetricLogger(folder):
        assert hyper_parameters(folder)[2] == {}  # it runs
    trial, values, status = hyper_parameters(folder)
    assert trial == f"{tmp_path.name}/first" and status == api_pb2.STATUS_SUCCESS
    assert values == {
        "train.iterations": 500,
        "train.learning_rate": 0.05,
        "train.resume": False,
        "train.loss": "@CrossEntropy",
    }


def test_tensorboard_knows_that_a_run_failed(tmp_path):
    with pytest.raises(ValueError), MetricLogger(tmp_path):
        raise ValueError
    assert hyper_parameters(tmp_path)[1:] == ({}, api_pb2.STATUS_FAILURE)


def test_a_resume_drops_the_rows_beyond_it(tmp_path):
    journal = MetricLogger(tmp_path)
    for step in (10, 20, 30):
        journal.log_scalars(step, {"loss": step / 10})
    again = MetricLogger(tmp_path, start_step=20)
    again.log_scalars(30, {"loss": 7.0})
    assert [row["loss"] for row in rows(tmp_path)] == ["1.0", "2.0", "7.0"]


def test_a_new_run_starts_a_new_log(tmp_path):
    MetricLogger(tmp_path).log_scalars(10, {"loss": 1.0})
    MetricLogger(tmp_path)
    assert rows(tmp_path) == []


def test_a_resume_goes_on_with_a_damaged_log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(
        b"step,loss,learning_rate,surplus\n2,1.5,0.1,7\n\xff,1.0,,\n3\n,,,,,,,\n"
        + b"4,%b,,\n5,0.5,0.1,\n9,0.1,,\n" % (b"1" * 200_000)
    )
    MetricLogger(tmp_path, start_step=5).log_scalars(6, {"loss": 0.25})
    columns = "step,loss,learning_rate,images_per_second,miou,pixel_accuracy,miou_ema"
    assert path.read_text().split() == [
        columns, "2,1.5,0.1,,,,", "3,,,,,,", "5,0.5,0.1,,,,", "6,0.25,,,,,"
    ]  # fmt: skip


def test_a_mutated_log_brings_no_error(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "log.csv"
    rows = [f"{step},0.5,0.1,8,,," for step in range(20)]
    text = "\n".join(["step,loss,learning_rate,images_per_second,miou", *rows]).encode()
    for _ in range(300):
        path.write_bytes(mutate(text, text, rng))
        for series in read_log(path).values():
            assert np.isfinite(series).all()
