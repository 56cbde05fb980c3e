"""Settings read from `config.gin`, against what gin itself says of them."""

import gin
import pytest

from keras_lraspp.config import load_config, operative_config
from keras_lraspp.run_dir.settings import read_settings, scalar_settings


def test_the_settings_are_those_that_gin_has():
    load_config(
        ["quickstart.gin"],
        ["train.frozen = ['backbone', 'batch_norm', '@none', 'e', 'f', 'g', 'h', 'i']"],
    )
    found = read_settings(operative_config())
    expected = {
        f"{owner}.{name}": value
        for owner in ("train", "SGD", "Scenes", "LRASPP", "recipe_transform")
        for name, value in gin.get_bindings(owner, resolve_references=False).items()
    }
    scalars = scalar_settings(found)
    for name, value in expected.items():
        if isinstance(value, (int, float, str)):
            assert scalars[name] == value and type(scalars[name]) is type(value)
        elif isinstance(value, (tuple, list)):
            assert eval(found[name]) == value
    assert found["train.model"] == "@LRASPP" and found["train.dataset"] == "@Scenes"
    # Of other runs, and of a loss that the recipe has and this training has not.
    assert not [name for name in found if "evaluate" in name or "Ohem" in name]
    assert set(expected) <= set(found) and "WarmupPolynomial.power" in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("train.a = %A\nA = %B\nB = @C\nC.d = 1\n", {"train.a": "@C", "C.d": "1"}),
        ("train.a = '%A @C'\nA = 2\nC.d = 1\n", {"train.a": "'%A @C'"}),
        ("A = %A\ntrain.a = %A\n", {"train.a": "%A"}),
        ("train.a = @s/m.C()\ns/C.d = 3\n", {"train.a": "@s/m.C()", "s/C.d": "3"}),
        ("train.a = \\\n    [1,\n     2]\n\n     3\n", {"train.a": "[1, 2]"}),
        ("# train.a = 1\nno\ntrain.b = (\n", {"train.b": "("}),
    ],
)
def test_what_belongs_to_the_run(text, expected):
    found = read_settings(text)
    assert {k: v for k, v in found.items() if "." in k} == expected


def test_numbers_texts_and_the_rest():
    found = scalar_settings({"a": "1", "b": "True", "c": "'x'", "d": "None", "e": "@f"})
    assert found == {"a": 1, "b": True, "c": "x", "e": "@f"}
    assert scalar_settings({"g": "(1, 2)", "h": "1e-05"}) == {"g": "(1, 2)", "h": 1e-5}
