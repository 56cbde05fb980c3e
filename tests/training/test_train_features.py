"""What a training can do beyond the recipe, each with a resume in between."""

import csv
import zipfile
from functools import partial

import h5py
import keras
import numpy as np
import pytest

from harness import tiny
from harness.children import run_program
from harness.stopping import stop_at_step
from keras_lraspp.data import FileList, evaluation_batches
from keras_lraspp.errors import InputError
from keras_lraspp.inference.functions import label_function
from keras_lraspp.metrics import ConfusionMatrix
from keras_lraspp.models.keras_file import load_weights
from keras_lraspp.run_dir.best_model import read_best
from keras_lraspp.run_dir.folder import CheckpointFolder, TrainingState, read_state
from keras_lraspp.training.schedule import WarmupPolynomial

pytestmark = pytest.mark.usefixtures("few_blocks")

EMA = {"ema_momentum": 0.5}
NEWEST = "checkpoints/step_00000010.keras"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tiny.write_pictures(tmp_path_factory.mktemp("pictures"))


def rows(output):
    with open(output / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def arrays(path):
    """Returns all arrays of a checkpoint: weights, statistics, optimizer."""
    found = {}
    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as file:
        with h5py.File(file) as content:
            content.visititems(
                lambda name, item: (
                    found.update({name: item[()]})
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
    return found


def assert_same(one, other):
    one, other = arrays(one), arrays(other)
    assert one.keys() == other.keys()
    differing = [name for name in one if not np.array_equal(one[name], other[name])]
    assert not differing


def by_path(network):
    values = [value.copy() for value in network.get_weights()]
    return dict(zip([w.path for w in network.weights], values, strict=True))


def score(path, pictures):
    model = tiny.network(num_classes=3)
    load_weights(model, path)
    confusion = ConfusionMatrix(3, 255)
    predict = label_function(model)
    samples = FileList(pictures, "val", num_classes=3)
    for images, labels in evaluation_batches(samples):
        confusion.update(labels.numpy(), predict(images.numpy()))
    return confusion.miou()


MOST = {**EMA, "accumulation": 3, "patience": 9}
FROZEN = {**MOST, "frozen": ("batch_norm",)}


@pytest.mark.backends
@pytest.mark.parametrize(
    "changes",
    [
        {**MOST, "precision": "float32"},
        *(
            pytest.param({**changes, "precision": precision}, marks=pytest.mark.slow)
            for changes in (EMA, {"accumulation": 3}, MOST, FROZEN)
            for precision in ("float32", "mixed_float16")
            if (changes, precision) != (MOST, "float32")
        ),
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_resume_equals_a_run_never_stopped_to_the_bit(pictures, tmp_path, changes):
    """Stopped in the middle of the batches of one update."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    tiny.run(pictures, whole, **changes)
    stop_at_step(7, pictures, parts, **changes)
    tiny.run(pictures, parts, resume=True, **changes)
    assert_same(whole / NEWEST, parts / NEWEST)
    assert read_state(whole / NEWEST) == read_state(parts / NEWEST)


@pytest.mark.backends
def test_averaged_weights_are_scored_and_their_best_is_kept(pictures, tmp_path, capsys):
    result = tiny.run(pictures, tmp_path, **EMA)
    scores = {int(r["step"]): float(r["miou_ema"]) for r in rows(tmp_path) if r["miou"]}
    assert set(scores) == {5, 10}
    assert result.best_ema_miou == max(scores.values()) == scores[result.best_ema_step]
    best = read_best(tmp_path / "best_ema.keras")
    assert (best.step, best.miou) == (result.best_ema_step, result.best_ema_miou)
    assert best.confusion.miou() == best.miou
    assert score(tmp_path / "best_ema.keras", pictures) == pytest.approx(best.miou)
    assert score(tmp_path / "best.keras", pictures) == pytest.approx(result.best_miou)
    assert f"miou_ema {scores[10]:.4f}" in capsys.readouterr().out
    assert "mIoU of averaged weights" in (tmp_path / "report.html").read_text()
    state = read_state(tmp_path / NEWEST)
    assert (state.best_ema_step, state.best_ema_miou) == (best.step, best.miou)


def test_a_state_without_averages_still_loads():
    """As checkpoints had it before there were any."""
    fields = {"step": 8, "evaluated_step": 5, "best_step": 5, "best_miou": 0.5}
    assert TrainingState(**fields).best_ema_miou is None


def test_another_optimizer_state_is_not_passed_over(pictures, tmp_path):
    tiny.run(pictures, tmp_path, iterations=4, eval_interval=4)
    with pytest.raises(InputError, match="the state of another optimizer; resume with"):
        tiny.run(pictures, tmp_path, resume=True, **EMA)


def test_accumulation_scales_the_rate_by_the_images_of_an_update(pictures, tmp_path):
    """Weights change with every third batch only."""
    tiny.run(
        pictures, tmp_path, accumulation=3, save_interval=1, keep=10, log_interval=1
    )
    schedule = WarmupPolynomial(0.15, 10, warmup_steps=2, warmup_rate=1e-3)
    rates = [float(row["learning_rate"]) for row in rows(tmp_path) if row["loss"]]
    assert rates == [pytest.approx(float(schedule(n)), abs=1e-7) for n in range(1, 11)]
    kernels = [
        arrays(tmp_path / f"checkpoints/step_{step:08d}.keras")["layers/conv2d/vars/0"]
        for step in range(1, 11)
    ]
    moved = [not np.array_equal(*kernels[n : n + 2]) for n in range(9)]
    assert moved == [False, True, False, False, True, False, False, True, False]


@pytest.mark.backends
def test_what_is_frozen_stays_to_the_bit(pictures, tmp_path):
    made = []

    def factory(num_classes):
        network = tiny.SMALLEST(num_classes=num_classes)
        made.extend([network, by_path(network)])
        return network

    frozen = ("backbone", "batch_norm")
    tiny.run(pictures, tmp_path, model=factory, frozen=frozen, iterations=3)
    network, before = made
    after = by_path(network)
    same = {path for path in after if np.array_equal(after[path], before[path])}
    backbone = {weight.path for weight in network.backbone.weights}
    assert backbone <= same
    norms = {path for path in after if path.endswith(("gamma", "moving_variance"))}
    assert norms - backbone and norms <= same
    assert after.keys() - same  # the head's convolutions
    # The file of the best model has all of it trainable.
    best = keras.saving.load_model(tmp_path / "best.keras")
    assert len(best.trainable_variables) == len(tiny.SMALLEST(3).trainable_variables)
    for one, other in zip(best.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.backends
def test_a_training_ends_when_it_gets_no_better(pictures, tmp_path, capsys):
    changes = {"eval_interval": 1, "save_interval": 50, "patience": 2}
    changes["learning_rate"] = 0.0  # the second and third score equal the first
    changes["schedule"] = partial(WarmupPolynomial, warmup_steps=0)
    changes["frozen"] = ("batch_norm",)
    result = tiny.run(pictures, tmp_path, **changes)
    assert (result.step, result.best_step, result.signal) == (3, 1, None)
    said = "stopped after iteration 3: no better mIoU in the last 2 evaluations, "
    assert said in capsys.readouterr().out
    assert [
        path.name for path in CheckpointFolder(tmp_path / "checkpoints").paths()
    ] == ["step_00000003.keras"]
    assert (tmp_path / "report.html").is_file()
    # A resume knows it, and more patience goes on.
    again = tiny.run(pictures, tmp_path, resume=True, **changes)
    out = capsys.readouterr().out
    assert said in out and "raise train.patience to go on" in out
    assert again == result and "first step" not in out
    on = tiny.run(pictures, tmp_path, resume=True, **{**changes, "patience": 4})
    assert on.step == 5


def test_bad_arguments_get_one_sentence(pictures, tmp_path):
    for changes, said in (
        ({"frozen": ("head",)}, "train.frozen is made of backbone and batch_norm, not"),
        ({"frozen": "backbone"}, "functional.* has no backbone to freeze"),
        ({"ema_momentum": 1.0}, "train.ema_momentum is between 0 and 1"),
        ({"accumulation": 0}, "train.accumulation is a whole number from 1"),
        ({"patience": 0}, "train.patience is a whole number from 1"),
    ):
        with pytest.raises(InputError, match=said):
            tiny.run(pictures, tmp_path / "run", dry_run=True, **changes)


# In a process of its own: it holds for the rest of one. The network's resize and
# batch norms have gradients whose kernels may add in any order.
TWICE = """
    import hashlib, json, pathlib, sys
    import numpy as np
    from harness import tiny

    networks = []

    def factory(num_classes):
        networks.append(tiny.SMALLEST(num_classes=num_classes))
        return networks[-1]

    tiny.run(
        pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), model=factory,
        deterministic=True, iterations=4,
    )
    digest = hashlib.sha256()
    for value in networks[0].get_weights():
        digest.update(np.ascontiguousarray(value).tobytes())
    print(json.dumps(digest.hexdigest()))
"""


@pytest.mark.slow
@pytest.mark.backends
def test_a_deterministic_training_gives_the_same_bits_in_another_process(
    pictures, tmp_path
):
    backend = keras.backend.backend()
    one, other = (
        run_program(TWICE, pictures, tmp_path / name, KERAS_BACKEND=backend)
        for name in ("one", "other")
    )
    assert one == other
