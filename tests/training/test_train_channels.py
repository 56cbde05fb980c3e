"""Training on images that are not RGB, from files and shards, to its report."""

import math
import re
from functools import partial

import keras
import numpy as np
import pytest

from harness import tiny
from harness.channels import drawn, write_drawn
from harness.stopping import stop_at_step
from keras_lraspp.data import FileList, Shards
from keras_lraspp.data.shards.writer import ShardOptions, write_shards
from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.evaluate import evaluate
from keras_lraspp.run_dir.record import RUN_RECORD, read_run_record

pytestmark = pytest.mark.usefixtures("few_blocks")

KINDS = [(1, ".png"), (4, ".tif"), (6, ".npy")]
one_kind = pytest.mark.parametrize("trained", KINDS[-1:], indirect=True, ids=str)


@pytest.fixture(scope="module", params=KINDS, ids=str)
def trained(request, tmp_path_factory):
    """Channels, data set, and the folder of a training of ten steps."""
    channels, suffix = request.param
    root = write_drawn(tmp_path_factory.mktemp("drawn"), channels, suffix)
    dataset = partial(FileList, num_classes=3, channels=channels, name="tiny")
    output = tmp_path_factory.mktemp("files") / "run"
    tiny.run(root, output, dataset=dataset)
    return channels, partial(dataset, root), output


def without_root(dataset):
    """The data set as `train` takes it, which gives it the folder."""
    return partial(dataset.func, **dataset.keywords)


def best_of(output):
    return keras.saving.load_model(output / "best.keras", compile=False)


@pytest.mark.backends
def test_the_network_has_the_channels_of_the_data(trained):
    channels, _, output = trained
    assert best_of(output).input_shape == (None, None, None, channels)
    record = read_run_record(output / RUN_RECORD)
    assert record.validation.channels == channels
    page = (output / "report.html").read_text()
    assert page.count("data:image/jpeg") >= 3 and "cannot be shown" not in page


@one_kind
def test_from_shards_comes_the_same_training(trained, tmp_path):
    channels, dataset, output = trained
    splits = [dataset(split="train"), dataset(split="val")]
    write_shards(splits, tmp_path / "shards", ShardOptions(progress=False))
    tiny.run(tmp_path / "shards", tmp_path / "run", dataset=Shards)
    for files, shards in zip(
        best_of(output).get_weights(),
        best_of(tmp_path / "run").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(files, shards)


@pytest.mark.backends
def test_the_score_is_that_of_the_drawn_images(trained):
    """mIoU of predictions that are made here, counted here."""
    channels, dataset, output = trained
    model = partial(tiny.network, input_shape=(None, None, channels))
    weights = output / "best.keras"
    scores = evaluate(model=model, dataset=dataset, weights=weights, devices=["cpu:0"])
    images, labels = zip(*(drawn(channels, 100 + k) for k in range(2)), strict=True)
    predicted = best_of(output).predict(np.stack(images), verbose=0).argmax(-1)
    truth = np.stack(labels)
    counted = truth != 255
    ious = []
    for label in range(3):
        hits = ((predicted == label) & (truth == label)).sum()
        either = counted & ((predicted == label) | (truth == label))
        ious.append(hits / either.sum())
    assert scores["miou"] == pytest.approx(np.mean(ious), abs=1e-4)


@one_kind
def test_a_stopped_run_goes_on_to_the_same_weights(trained, tmp_path):
    channels, dataset, output = trained
    root, settings = dataset.args[0], {"dataset": without_root(dataset)}
    stop_at_step(4, root, tmp_path / "run", **settings)
    tiny.run(root, tmp_path / "run", **settings, resume=True)
    newest = "checkpoints/step_00000010.keras"
    whole, parts = (
        keras.saving.load_model(folder / newest, compile=False).get_weights()
        for folder in (output, tmp_path / "run")
    )
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_a_dry_run_shows_the_channels(trained, tmp_path, capsys):
    channels, dataset, _ = trained
    settings = {"dataset": without_root(dataset)}
    tiny.run(dataset.args[0], tmp_path / "run", **settings, dry_run=True)
    assert f"uint8 2x32x32x{channels}," in capsys.readouterr().out


def test_a_network_of_other_channels_is_refused(trained, tmp_path):
    channels, dataset, _ = trained

    def stubborn(num_classes, input_shape=None):
        return tiny.network(num_classes, (None, None, 5))

    settings = {"dataset": without_root(dataset)}
    sentence = (
        f"network takes 5-channel images, but those of tiny have {channels}; "
        "set the data set's channels = 5"
    )
    with pytest.raises(InputError, match=sentence):
        tiny.run(dataset.args[0], tmp_path / "run", **settings, model=stubborn)


def test_a_network_for_rgb_only_is_refused(trained, tmp_path):
    channels, dataset, _ = trained

    def of_rgb(num_classes):
        return tiny.network(num_classes)

    settings = {"dataset": without_root(dataset)}
    with pytest.raises(InputError, match=f"takes 3-channel images, but .* {channels}"):
        tiny.run(dataset.args[0], tmp_path / "run", **settings, model=of_rgb)


def test_lraspp_is_built_for_the_channels(tmp_path, capsys):
    root = write_drawn(tmp_path, 6, ".npy", train_images=2)
    dataset = partial(FileList, num_classes=3, channels=6, name="tiny")
    tiny.run(root, tmp_path / "run", model=tiny.SMALLEST, dataset=dataset, dry_run=True)
    lines = capsys.readouterr().out
    assert "uint8 2x32x32x6," in lines
    (count,) = re.findall(r"lraspp: ([0-9 ]+) parameters to train", lines)
    smallest = tiny.SMALLEST(num_classes=3)
    of_rgb = sum(math.prod(w.shape) for w in smallest.trainable_weights)
    # Each of the first layer's 8 kernels of 3x3 sees three channels more.
    assert int(count.replace(" ", "")) - of_rgb == 3 * 3 * 3 * 8
