"""Schemas: typed values of JSON, one sentence for whatever is wrong."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pytest

from harness.mutations import mutate_json
from keras_lraspp.errors import InputError
from keras_lraspp.schema import (
    Bounds,
    Byte,
    Color,
    Count,
    Name,
    Positive,
    Share,
    check_argument,
    check_value,
    parse_json,
    read_json,
    read_text,
)

MEND = "get the file again"


class Size(NamedTuple):
    height: Count
    width: Count = 7


@dataclasses.dataclass(frozen=True)
class Card:
    classes: Annotated[tuple[Name, ...], Bounds(1, 3)]
    palette: tuple[Color, ...]
    kind: Literal["a", "b"] = "a"
    rate: float | None = None
    size: Size | None = None
    counts: dict[str, Count] = dataclasses.field(default_factory=dict)
    folder: Path | None = None

    def __post_init__(self):
        if len(self.classes) != len(self.palette):
            raise InputError("lengths differ")


WHOLE = {
    "classes": ["road", "Straße"],
    "palette": [[1, 2, 3], [255, 0, 0]],
    "kind": "b",
    "rate": 2,
    "size": [3, 4],
    "counts": {"train": 5},
    "folder": "a/b",
}


def wrong(changes: dict, **more) -> str:
    with pytest.raises(InputError) as caught:
        check_value({**WHOLE, **changes}, Card, "a.json", mend=MEND, **more)
    return str(caught.value)


def test_json_becomes_typed_values(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(WHOLE), "utf-8-sig")
    assert read_json(tmp_path / "a.json", Card, mend=MEND) == Card(
        ("road", "Straße"),
        ((1, 2, 3), (255, 0, 0)),
        "b",
        2,
        Size(3, 4),
        {"train": 5},
        Path("a/b"),
    )
    assert parse_json("[[1], [2, 3]]", tuple[Size, ...], "x", mend=MEND) == (
        Size(1, 7),
        Size(2, 3),
    )
    assert parse_json('{"height": 1}', Size, "x", mend=MEND) == Size(1)
    assert parse_json("[[{}]]", Any, "x", mend=MEND) == [[{}]]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"classes": ["a", 7]}, "`classes[1]` is 7, not text of length from 1 to 1000"),
        ({"classes": ["a", "\x1b[2J"]}, r"`classes[1]` is '\x1b[2J', not text"),
        ({"classes": ["a", "\ud800"]}, r"`classes[1]` is '\ud800', not text"),
        ({"classes": []}, "`classes` is a list of 0, not a list of length from 1 to 3"),
        ({"classes": "ab"}, "`classes` is 'ab', not a list"),
        ({"palette": [[1, 2, 3], [1, 2]]}, "`palette[1]` is a list of 2, not a list "),
        (
            {"palette": [[1, 2, 256]]},
            "`palette[0][2]` is 256, not a whole number from ",
        ),
        ({"palette": [[1, 2, True]]}, "`palette[0][2]` is true, not a whole number"),
        ({"palette": [[1, 2, 3.0]]}, "`palette[0][2]` is 3.0, not a whole number"),
        (
            {"palette": [[1, 2, 3]]},
            "a.json is wrong: lengths differ; get the file again.",
        ),
        ({"kind": "c"}, "`kind` is 'c', not one of 'a', 'b'; get the file again."),
        ({"kind": []}, "`kind` is a list of 0, not one of"),
        ({"rate": float("nan")}, "`rate` is nan, not a number or nothing"),
        ({"rate": "1"}, "`rate` is '1', not a number or nothing"),
        (
            {"size": [1, 0]},
            "`size.width` is 0, not a whole number from 1 to 2147483647",
        ),
        ({"size": [1, 2, 3]}, "`size` is a list of 3, not an object or nothing"),
        ({"size": {}}, "`size.height` is missing; get the file again."),
        ({"counts": {"a b": -1}}, "`counts.'a b'` is -1, not a whole number"),
        ({"counts": {"\n": 1}}, r"`counts` is '\n', not text"),
        ({"new": 1}, "`new` is an unknown key, not one of classes, palette, kind, "),
        ({"folder": "a\0b"}, r"`folder` is 'a\x00b', not a path or nothing"),
        ({"rate": 10**400, "size": 10**400}, "`size` is a huge number, not an object"),
    ],
)
def test_the_key_and_what_is_expected_are_named(changes, message):
    assert message in wrong(changes)
    assert wrong(changes).startswith("a.json") and wrong(changes).endswith(f"{MEND}.")


def test_keys_of_others_may_be_allowed():
    with pytest.raises(InputError, match="`palette` is missing"):
        check_value({"classes": ["a"], "x": 1}, Card, "a", mend=MEND, extra=True)
    allowed = check_value({**WHOLE, "x": 1}, Card, "a", mend=MEND, extra=True)
    assert allowed == check_value(WHOLE, Card, "a", mend=MEND)


@pytest.mark.parametrize(
    "text, message",
    [
        (b"", "a.json is not JSON ("),
        (b"\xff{}", "a.json is not UTF-8 text; get the file again."),
        (b"[" * 100_000, "a.json is nested too deeply; get the file again."),
        (b'{"a":' * 100_000, "a.json is nested too deeply"),
        (b'{"a": 1, "a": 2}', "a.json is not JSON (it has the key 'a' twice)"),
        (b"[NaN]", "a.json is not JSON (NaN is no finite number)"),
        (b"[-Infinity]", "a.json is not JSON (-Infinity is no finite number)"),
        (b"[1e999]", "a.json is not JSON (1e999 is no finite number)"),
        (b"9" * 5000, "a.json is not JSON (it has a whole number of 5000 digits)"),
        (b"[]", "a.json is a list of 0, not an object"),
    ],
)
def test_what_is_no_json_is_one_sentence(text, message):
    with pytest.raises(InputError) as caught:
        parse_json(text, Card, "a.json", mend=MEND)
    assert message in str(caught.value)


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path):
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    large.write_bytes(b"1" * 2000)
    for path, message in (
        (pipe, "is a pipe, not a file"),
        (large, "has more than 1000 bytes"),
        (tmp_path, "Is a directory; get the file again."),
        (tmp_path / "no", "Cannot read .*no: No such file or directory; get the file"),
        ("a\0b", "null byte"),
    ):
        with pytest.raises(InputError, match=message):
            read_text(path, mend=MEND, most=1000)


@pytest.mark.parametrize(
    "value, kind, message",
    [
        (0, Count, "F.x is a whole number from 1 to 2147483647, not 0; correct it."),
        (np.int64(0), Count, "F.x is a whole number from 1 to 2147483647, not 0; "),
        (True, Count, "not true"),
        (0.0, Positive, "F.x is a number above 0, not 0.0; correct it."),
        (float("inf"), Positive, "F.x is a number above 0, not inf"),
        (np.float32("nan"), Share, "F.x is a number from 0 to 1, not nan"),
        (10**400, Share, "F.x is a number from 0 to 1, not a huge number"),
        ("text", Share | None, "F.x is a number from 0 to 1 or nothing, not 'text'"),
        (print, Byte, "not builtin_function_or_method"),
        ((1, 2, -3), Color, r"F.x\[2\] is a whole number from 0 to 255, not -3"),
        (-1, Annotated[float, Bounds(0)], "F.x is a number at least 0, not -1"),
        (3, Annotated[int, Bounds(most=2)], "F.x is a whole number at most 2, not 3"),
    ],
)
def test_an_argument_has_its_range(value, kind, message):
    with pytest.raises(InputError, match=message):
        check_argument("F.x", value, kind)


@pytest.mark.parametrize(
    "value, kind",
    [
        (np.int32(5), Count),
        (np.float32(0.5), Share),
        (1, Share),
        (None, Share | None),
        ([1, 2, 3], Color),
    ],
)
def test_numbers_of_any_kind_are_taken(value, kind):
    check_argument("F.x", value, kind)


def test_mutated_json_brings_only_typed_errors():
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        try:
            card = parse_json(mutate_json(json.dumps(WHOLE), rng), Card, "a", mend=MEND)
        except InputError as error:
            refused += 1
            str(error).encode()  # can be printed
        else:
            assert len(card.classes) == len(card.palette) <= 3
    assert 200 < refused < 300
