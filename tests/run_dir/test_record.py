"""What a run notes: read back as it was, after whatever happened."""

import dataclasses
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from harness import tiny
from harness.mutations import mutate_json
from keras_lraspp import LRASPP
from keras_lraspp.data import ClassSet, FileList
from keras_lraspp.data.label_spec import ColorClass
from keras_lraspp.models.summary import multiply_adds
from keras_lraspp.run_dir.record import read_run_record, record_run, write_run_record


@pytest.fixture
def sets(tmp_path):
    root = tiny.write_pictures(tmp_path / "pictures")
    return [
        FileList(root, split, num_classes=3, name="tiny") for split in ("train", "val")
    ]


def note(network, sets, **changes):
    given = {"iterations": 10, "batch_size": 2, "data_root": "d", **changes}
    return record_run(network, *sets, **given)


@pytest.mark.parametrize(
    "meaning",
    [
        {"label_lookup": tuple(np.arange(256) % 3)},  # NumPy's integers
        {"color_map": (ColorClass(1, 2, 3, 0),)},
    ],
)
def test_notes_come_back(sets, tmp_path, meaning):
    odd = dataclasses.replace(
        sets[1],
        labels=(sets[1].labels[0], Path("/elsewhere/label.png")),
        **meaning,
        classes=ClassSet(("a", "b", "ü<>"), ((1, 2, 3), (4, 5, 6), (7, 8, 9))),
    )
    notes = note(tiny.network(3), [sets[0], odd])
    write_run_record(notes, tmp_path / "run.json", resumed=False)
    assert read_run_record(tmp_path / "run.json") == notes
    assert (notes.training_images, notes.image_size) == (6, (40, 56))
    # 3x3x3x4 and 4x3+3 of the convolutions, 2x4 of the batch norm.
    assert notes.parameters == 108 + 15 + 8
    assert notes.multiply_adds is None


def test_multiply_adds_at_the_size_of_the_images(sets):
    network = tiny.SMALLEST(num_classes=3)
    expected = LRASPP(3, "small", 0.35, 32, input_shape=(40, 56, 3))
    assert note(network, sets).multiply_adds == multiply_adds(expected)


def test_a_resume_keeps_the_start_and_nothing_else(sets, tmp_path):
    path = tmp_path / "run.json"
    first = note(tiny.network(3), sets)
    first = dataclasses.replace(first, started="2001-02-03T04:05:06+00:00")
    write_run_record(first, path, resumed=False)
    later = note(tiny.network(3), sets, iterations=20)
    write_run_record(later, path, resumed=True)
    assert read_run_record(path) == dataclasses.replace(later, started=first.started)
    write_run_record(later, path, resumed=False)
    assert datetime.fromisoformat(read_run_record(path).started).year > 2001


@pytest.mark.parametrize(
    "content, said",
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is nested too deeply"),
        ("[]", "is a list of 0, not an object"),
        ('{"started": 1}', "`iterations` is missing; delete the file"),
        ('{"new": 1}', "`started` is missing"),
    ],
)
def test_a_damaged_record_is_done_without(content, said, tmp_path):
    (tmp_path / "run.json").write_text(content)
    with pytest.warns(UserWarning, match=f"without the run's record.*run.json.*{said}"):
        assert read_run_record(tmp_path / "run.json") is None
    assert read_run_record(tmp_path / "nothing.json") is None


@pytest.mark.filterwarnings("ignore:Going on without")
def test_mutated_records_bring_no_error(sets, tmp_path):
    path, rng = tmp_path / "run.json", np.random.default_rng(0)
    record = note(tiny.network(3), sets)
    write_run_record(record, path, resumed=False)
    text = path.read_text()
    read = []
    for _ in range(300):
        path.write_bytes(mutate_json(text, rng))
        read.append(read_run_record(path))
    assert 200 < read.count(None) < 300
    write_run_record(record, path, resumed=True)  # over a damaged one
    assert read_run_record(path) == record
