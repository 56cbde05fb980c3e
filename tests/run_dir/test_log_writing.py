"""What a run writes down."""

import csv

import numpy as np
import tensorflow as tf

from keras_lraspp.run_dir.log import MetricLogger


def rows(folder):
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def events(folder):
    """(step, tag) of everything TensorBoard would show."""
    found = []
    for path in sorted((folder / "tensorboard").iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            found += [(event.step, value.tag) for value in event.summary.value]
    return found


def test_scalars_and_pictures_are_in_both_places(tmp_path):
    journal = MetricLogger(tmp_path)
    journal.log_scalars(10, {"loss": 1.5, "learning_rate": 0.1})
    journal.log_scalars(10, {"miou": 0.25})
    journal.log_image(10, "validation_0", np.zeros((2, 6, 3), "uint8"))
    assert [(row["step"], row["loss"], row["miou"]) for row in rows(tmp_path)] == [
        ("10", "1.5", ""),
        ("10", "", "0.25"),
    ]
    assert events(tmp_path) == [
        (10, "loss"),
        (10, "learning_rate"),
        (10, "miou"),
        (10, "validation_0"),
    ]


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
