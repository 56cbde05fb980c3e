"""The published columns: scores in one pass, and the row beside them."""

import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from harness.tiny import SMALLEST
from keras_lraspp import LRASPP
from keras_lraspp.data import Scenes
from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.evaluate import evaluate
from keras_lraspp.evaluation.scores import protocol_scores, protocol_table

CITYSCAPES = SimpleNamespace(name="cityscapes", split="val")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "best.keras"
    SMALLEST(num_classes=19).save(path)
    return path


@pytest.fixture
def run(weights, scenes_root):
    return partial(
        evaluate,
        model=SMALLEST,
        dataset=partial(Scenes, train_scenes=8, val_scenes=4, height=64, width=128),
        weights=weights,
        data_root=scenes_root,
    )


@pytest.mark.slow  # `.ci/run` runs it
def test_one_command_gives_the_three_columns(run, capsys, tmp_path):
    found = run(protocol="published", json_path=tmp_path / "scores.json")
    assert (
        json.loads((tmp_path / "scores.json").read_text())["protocol"]
        == (found["protocol"])
    )
    assert "no published row" in capsys.readouterr().out  # small x0.35 has none
    columns = {
        "miou": {},
        "flip_miou": {"flip": True},
        "multi_scale_miou": {"flip": True, "scales": (0.75, 1.0, 1.25)},
    }
    for name, options in columns.items():
        alone = run(**options)
        # Sums of floats in another order: single pixels may fall to the other side.
        assert found["protocol"][name] == pytest.approx(alone["miou"], abs=1e-4)
    assert found["miou"] == found["protocol"]["miou"]
    assert "flip, scales 0.75, 1.0, 1.25" in capsys.readouterr().out


def test_the_published_row_stands_beside_ours():
    model = LRASPP(output_stride=32)
    scores = protocol_scores([0.7, 0.705, 0.7199], model, CITYSCAPES)
    assert scores["variant"] == "os32_global"
    published = {"miou": 0.7013, "flip_miou": 0.7043, "multi_scale_miou": 0.7214}
    assert scores["published"] == pytest.approx(published)
    rows = protocol_table(scores).splitlines()
    assert rows[0].split() == ["mIoU", "flip", "ms+flip"]
    assert rows[1].split() == ["this", "model", "70.00", "70.50", "71.99"]
    assert rows[2].split() == ["published", "os32_global", "70.13", "70.43", "72.14"]
    assert "0.75, 1.0, 1.25" in rows[3] and "not state" in rows[3]


def test_columns_that_were_not_published_are_left_out():
    model = LRASPP(backbone="small", pooling="large_kernel", family="mmseg")
    scores = protocol_scores([0.641, 0.645, 0.66], model, CITYSCAPES)
    published = {"miou": 0.6411, "flip_miou": None, "multi_scale_miou": 0.6642}
    assert scores["published"] == published
    rows = protocol_table(scores).splitlines()
    assert rows[2].split() == ["published", "mmseg_small", "64.11", "-", "66.42"]
    assert "mmsegmentation's are 0.5 to 1.75" in rows[3]
    # Of two rows with this network, the one whose weights were asked for.
    scores = protocol_scores([0.6, 0.6, 0.6], model, CITYSCAPES, "mmseg_small_scratch")
    assert scores["published"]["miou"] == pytest.approx(0.6274)


def test_a_network_published_for_other_data_has_no_row():
    model = LRASPP(21, output_stride=16, family="torchvision")
    assert protocol_scores([0.6, 0.6, 0.6], model, CITYSCAPES)["published"] is None


@pytest.mark.parametrize(
    "stride, name, split",
    [
        (32, "scenes", "val"),
        (32, "cityscapes", "train"),
        (16, "cityscapes", "val"),
    ],
    ids=["another data set", "another split", "an unpublished variant"],
)
def test_no_published_row(stride, name, split):
    images = SimpleNamespace(name=name, split=split)
    model = LRASPP(19, output_stride=stride)
    scores = protocol_scores([0.1, 0.2, np.nan], model, images)
    assert scores["variant"] is scores["published"] is None
    assert scores["flip_miou"] == 0.2 and scores["multi_scale_miou"] is None
    assert "undefined" in protocol_table(scores)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"protocol": "mine"}, "published"),
        ({"protocol": "published", "flip": True}, "leave out --flip"),
        ({"protocol": "published", "compare": "x.keras"}, "leave out one"),
        ({"stride": (3, 3)}, "sliding_window"),
    ],
)
def test_arguments_that_do_not_go_together(run, arguments, said):
    with pytest.raises(InputError, match=said):
        run(**arguments)
