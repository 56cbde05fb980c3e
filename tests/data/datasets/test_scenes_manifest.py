"""Manifest of a tree of drawn scenes: whose folder it is, and how it was drawn."""

import contextlib
import json

import numpy as np
import pytest

from harness.mutations import mutate_json
from keras_lraspp.data.datasets import scenes as manifest
from keras_lraspp.data.datasets.scenes import (
    SceneSettings,
    claim_folder,
    record_finished,
)
from keras_lraspp.errors import InputError, StorageError

SETTINGS = SceneSettings(64, 128, 7)


def content(root):
    return json.loads((root / "scenes.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("exists", [True, False])
def test_new_folder_becomes_ours(tmp_path, exists):
    root = tmp_path / "deep" / "scenes"
    if exists:
        root.mkdir(parents=True)
        (root / ".nfs-leftover").touch()
    claim_folder(root, SETTINGS)
    assert content(root) == {
        "height": 64, "width": 128, "seed": 7, "drawing": 1, "finished": {},
    }  # fmt: skip
    claim_folder(root, SETTINGS)


@pytest.mark.parametrize("name", ["height", "width", "seed", "drawing"])
def test_other_settings_are_refused_by_name(tmp_path, name):
    claim_folder(tmp_path, SETTINGS)
    before = content(tmp_path)
    with pytest.raises(InputError, match=rf"drawn with {name} \d+ instead of 999"):
        claim_folder(tmp_path, SETTINGS._replace(**{name: 999}))
    assert content(tmp_path) == before


def test_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("all my work")
    with pytest.raises(InputError, match="holds files but no scenes.json"):
        claim_folder(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "scenes").write_text("")
    with pytest.raises(InputError, match="is a file"):
        claim_folder(tmp_path / "scenes", SETTINGS)


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", "\x00" * 40, "[" * 100_000, '{"finished": 3}']
)
def test_spoilt_manifest_is_named(tmp_path, text):
    (tmp_path / "scenes.json").write_text(text)
    with pytest.raises(InputError, match="scenes.json.* is .*; delete .* name another"):
        claim_folder(tmp_path, SETTINGS)


def test_mutated_manifests_bring_only_typed_errors(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "scenes.json"
    claim_folder(tmp_path, SETTINGS)
    record_finished(tmp_path, {"train": 8, "val": 5})
    text = path.read_text()
    for _ in range(300):
        path.write_bytes(mutate_json(text, rng))
        with contextlib.suppress(InputError):
            claim_folder(tmp_path, SETTINGS)
            record_finished(tmp_path, {"train": 3})


def test_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((StorageError, OSError), match="file"):
        claim_folder(tmp_path / "file" / "scenes", SETTINGS)


def test_finished_counts_grow_and_never_shrink(tmp_path):
    claim_folder(tmp_path, SETTINGS)
    for split, count in (("train", 8), ("val", 2), ("train", 3), ("val", 5)):
        record_finished(tmp_path, {split: count})
    assert content(tmp_path)["finished"] == {"train": 8, "val": 5}
    assert content(tmp_path)["seed"] == 7


def test_another_process_may_begin_while_we_look(tmp_path, monkeypatch):
    # It makes the folder its own just after ours has been listed.
    class Racing(type(tmp_path)):
        def iterdir(self):
            found = list(super().iterdir())
            if not found:
                other = {**SETTINGS._asdict(), "finished": {"train": 3}}
                manifest._write_manifest(tmp_path, other)
                found = list(super().iterdir())
            return iter(found)

    claim_folder(Racing(tmp_path), SETTINGS)
    assert content(tmp_path)["finished"] == {"train": 3}
