"""What a dry run says, that it leaves nothing, and what it refuses."""

from functools import partial

import keras
import numpy as np
import pytest

from harness import tiny
from keras_lraspp import LRASPP
from keras_lraspp.errors import InputError
from keras_lraspp.losses import CrossEntropy


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tiny.write_pictures(tmp_path_factory.mktemp("pictures"))


def said(capsys):
    """Returns what was printed, by the name that each line begins with."""
    lines = capsys.readouterr().out.splitlines()
    return {line[:15].strip(): line[15:] for line in lines if line[:15].strip()}


@pytest.mark.backends
def test_a_dry_run_says_what_a_training_would_be(pictures, tmp_path, capsys):
    output = tmp_path / "run"
    before = sorted(pictures.rglob("*"))
    assert tiny.run(pictures, output, dry_run=True) is None
    lines = said(capsys)
    assert lines["data"] == "tiny: 6 images to train on, 2 to validate, 3 classes"
    assert "131 parameters to train, 8 others" in lines["network"]
    # At 16x16 places 4 channels from 3x3x3 numbers, then 3 from 4.
    assert "; 30 720 multiply-adds for a crop" in lines["network"]
    assert lines["batch"] == "2 crops of 32x32 to an update"
    assert lines["length"] == "10 iterations, 3 to an epoch: 3.3 epochs"
    assert lines["evaluations"] == "2, after every 5 iterations and the last"
    assert lines["checkpoints"].startswith("3, after every 4 iterations and the last")
    assert "uint8 2x32x32x3" in lines["first batch"]
    # Cross entropy of three classes that are all alike.
    loss = float(lines["first batch"].split("loss ")[1].split()[0])
    assert loss == pytest.approx(np.log(3), abs=1e-3)
    assert not output.exists()
    assert sorted(pictures.rglob("*")) == before


def test_a_single_part_is_frozen_by_its_name(pictures, tmp_path, capsys):
    tiny.run(pictures, tmp_path / "run", dry_run=True, frozen="batch_norm")
    lines = said(capsys)
    assert lines["frozen"] == "batch_norm"
    # Scale and shift of four channels are trained no more.
    assert "123 parameters to train, 16 others" in lines["network"]


def test_the_rates_are_those_of_the_training(pictures, tmp_path, capsys):
    tiny.run(pictures, tmp_path / "run", dry_run=True, batch_size=4)
    lines = capsys.readouterr().out.splitlines()
    rates = {
        int(line.split()[-1]): float(line.split()[0])
        for line in lines
        if " at step " in line
    }
    # Twice the rate for twice the batch; highest at the end of the warm-up.
    assert rates[0] == pytest.approx(1e-3) and rates[2] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(0.1 * (1 - 7 / 8) ** 0.9, rel=1e-3)


def test_a_network_of_another_kind_is_described_as_far_as_it_goes(
    pictures, tmp_path, capsys
):
    class Own(keras.Model):
        def __init__(self, num_classes):
            super().__init__()
            self.last = keras.layers.Conv2D(num_classes, 1)
            self.build((None, None, None, 3))

        def build(self, shape):
            self.last.build(shape)
            self.built = True

        def call(self, inputs):
            return self.last(keras.ops.cast(inputs, "float32"))

    tiny.run(pictures, tmp_path / "run", dry_run=True, model=Own)
    lines = said(capsys)
    assert lines["network"].endswith("12 parameters to train, 0 others")
    assert lines["memory"] == "not known for a network of this kind"


def test_what_a_training_refuses_a_dry_run_refuses(pictures, tmp_path):
    large = partial(LRASPP, backbone="small", width=0.35, pooling="large_kernel")
    with pytest.raises(InputError, match="smallest side is 385"):
        tiny.run(pictures, tmp_path / "a", model=large, dry_run=True)
    with pytest.raises(InputError, match="nowhere"):
        tiny.run(tmp_path / "nowhere", tmp_path / "a", dry_run=True)
    weights = partial(CrossEntropy, class_weights=(1.0, 2.0))  # of three classes
    with pytest.raises(InputError, match="class_weights"):
        tiny.run(pictures, tmp_path / "a", loss=weights, dry_run=True)
    with pytest.raises(InputError, match="A dry run is of one process"):
        tiny.run(
            pictures,
            tmp_path / "a",
            dry_run=True,
            coordinator="node:1",
            processes=2,
            process=0,
        )
