"""The dictionary and the table of scores; Cityscapes' against its official script."""

import json

import numpy as np
import pytest
from PIL import Image

from keras_lraspp.classes import (
    CLASS_SETS,
    cityscapes_lookup,
    cityscapes_train_to_id,
    generic_class_set,
)
from keras_lraspp.data import Cityscapes
from keras_lraspp.evaluation.scores import score_dictionary, score_table
from keras_lraspp.metrics import ImageConfusion

# Typed off the official page, not taken from the package.
CATEGORIES = {
    "flat": ["road", "sidewalk"],
    "construction": ["building", "wall", "fence"],
    "object": ["pole", "traffic light", "traffic sign"],
    "nature": ["vegetation", "terrain"],
    "sky": ["sky"],
    "human": ["person", "rider"],
    "vehicle": ["car", "truck", "bus", "train", "motorcycle", "bicycle"],
}
NAMES = [name for names in CATEGORIES.values() for name in names]
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


@pytest.fixture(scope="module")
def scenes(scenes_root, tmp_path_factory):
    """Paths of the drawn labels (labelIds) and of predictions, as the script wants."""
    folder, rng = tmp_path_factory.mktemp("predictions"), np.random.default_rng(0)
    pairs = []
    for path in sorted(scenes_root.glob("gtFine/val/*/*_labelIds.png")):
        classes = cityscapes_lookup()[np.array(Image.open(path))]
        wrong = rng.integers(0, 18, classes.shape)
        right = (rng.random(classes.shape) < 0.7) & (classes != 255)
        guess = cityscapes_train_to_id()[np.where(right, classes, wrong)]
        Image.fromarray(guess).save(folder / path.name)
        pairs.append((path, folder / path.name))
    assert len(pairs) == 4
    return pairs


@pytest.fixture(scope="module")
def scored(scenes, scenes_root):
    """Our scores, from the same files."""
    confusion = ImageConfusion(19)
    for truth, guess in scenes:
        labels, found = (np.array(Image.open(path)) for path in (truth, guess))
        lookup = cityscapes_lookup()
        confusion.update(lookup[labels][None], lookup[found][None])
    return score_dictionary(confusion, Cityscapes(scenes_root, "val").classes, "omit")


def share(part, whole):
    return part.sum() / whole.sum() if whole.any() else None


def official_mean(values):
    return np.mean([value for value in values if value is not None])


def test_class_and_category_iou_pixel_by_pixel(scenes, scored):
    truth, found = (
        np.concatenate([np.array(Image.open(pair[side])).ravel() for pair in scenes])
        for side in (0, 1)
    )
    ids = dict(zip(NAMES, LABEL_IDS, strict=True))
    valid = np.isin(truth, list(ids.values()))
    iou = {}
    for name, number in ids.items():
        true, guess = truth == number, (found == number) & valid
        iou[name] = share(true & guess, true | guess)
    assert scored["class_iou"] == pytest.approx(iou, abs=1e-12)
    assert scored["miou"] == pytest.approx(official_mean(iou.values()), abs=1e-12)
    for category, names in CATEGORIES.items():
        members = [ids[name] for name in names]
        true, guess = np.isin(truth, members), np.isin(found, members) & valid
        iou[category] = share(true & guess, true | guess)
    category = {name: iou[name] for name in CATEGORIES}
    assert scored["category_iou"] == pytest.approx(category, abs=1e-12)
    mean = official_mean(category.values())
    assert scored["category_miou"] == pytest.approx(mean, abs=1e-12)


def test_equal_to_the_official_script(scenes, scored):
    """Runs where cityscapesScripts is installed."""
    official = pytest.importorskip(
        "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
    )
    arguments = official.args
    arguments.evalInstLevelScore = arguments.JSONOutput = False
    arguments.quiet = True
    truths, guesses = (
        [str(path) for path in side] for side in zip(*scenes, strict=True)
    )
    theirs = official.evaluateImgLists(guesses, truths, arguments)

    def numbers(table):
        return {name: None if np.isnan(iou) else iou for name, iou in table.items()}

    classes, categories = (
        numbers(theirs[key]) for key in ("classScores", "categoryScores")
    )
    ours = scored["class_iou"], scored["category_iou"]
    assert ours[0] == pytest.approx({name: classes[name] for name in NAMES}, abs=1e-9)
    assert categories.pop("void") is None
    assert ours[1] == pytest.approx(categories, abs=1e-9)
    for key, name in (("miou", "Classes"), ("category_miou", "Categories")):
        assert scored[key] == pytest.approx(theirs[f"averageScore{name}"], abs=1e-9)


def test_the_table_names_every_class_and_category(scored):
    numbers = {"num_images": 4, "seconds_per_image": 0.5, "dataset": "scenes"}
    lines = score_table({**scored, **numbers, "split": "val"}).splitlines()
    assert lines[0].split() == ["class", "IoU", "precision", "recall"]
    for line, name in zip(lines[1:20], CLASS_SETS["cityscapes"].names, strict=True):
        values = [
            scored[f"class_{key}"][name] for key in ("iou", "precision", "recall")
        ]
        shown = ["absent" if values[0] is None else f"{values[0]:.4f}"]
        shown += ["-" if value is None else f"{value:.4f}" for value in values[1:]]
        assert line == name.ljust(13) + "".join(text.rjust(11) for text in shown)
    assert lines[21].split() == ["category", "IoU"]
    assert [line.split()[0] for line in lines[22:29]] == list(CATEGORIES)
    low, high = scored["miou_interval"]
    assert (
        f"mIoU                    {scored['miou']:.4f}  (95 % interval over images "
        f"{low:.4f} to {high:.4f})"
    ) in lines
    assert f"kappa                   {scored['kappa']:.4f}" in lines


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("classes", [generic_class_set(3), CLASS_SETS["cityscapes"]])
def test_nothing_to_count_is_undefined_not_an_error(classes):
    confusion = ImageConfusion(len(classes.names))
    confusion.update(np.full((1, 4, 4), 255), np.zeros((1, 4, 4), int))
    scores = score_dictionary(confusion, classes, "omit")
    assert scores["miou_interval"] == [None, None]
    assert scores["miou"] is scores["kappa"] is scores["mean_dice"] is None
    assert ("category_iou" in scores) == (len(classes.names) == 19)
    assert "NaN" not in json.dumps(scores)
    run = {"num_images": 1, "seconds_per_image": 1.0, "dataset": "x", "split": "val"}
    text = score_table({**scores, **run})
    assert "mIoU                    undefined\n" in text
    assert f"0 of {len(classes.names)} present" in text


def test_one_for_absent_classes_holds_for_iou_dice_and_categories():
    confusion = ImageConfusion(19)
    confusion.update(np.array([[[0, 0, 1, 1]]]), np.array([[[0, 1, 1, 1]]]))
    scores = score_dictionary(confusion, CLASS_SETS["cityscapes"], "one")
    assert scores["miou"] == pytest.approx((1 / 2 + 2 / 3 + 17) / 19)
    assert scores["mean_dice"] == pytest.approx((2 / 3 + 4 / 5 + 17) / 19)
    assert scores["category_miou"] == 1
    assert scores["mean_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
