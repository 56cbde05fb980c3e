"""The flags of a training: several processes, a dry run."""

import shlex
from pathlib import Path

import pytest

from keras_lraspp.__main__ import main
from keras_lraspp.training.train import TrainingResult

HOSTS = ["--coordinator=node0:1234", "--processes=2", "--process=1"]
COMMAND = ["train", "--gin_file=os8_global.gin", "--output_dir=o", *HOSTS]


def result(**changes):
    result = TrainingResult(10, 5, 0.5, Path("o/best.keras"), None)
    return result._replace(**changes)


def test_the_place_is_passed_on_and_one_process_says_the_end(monkeypatch, capsys):
    given = {}
    results = iter([result(), result(is_main=False)])

    def call(run, **flags):
        given.update(flags)
        return next(results)

    monkeypatch.setattr("keras_lraspp.config.call", call)
    assert main(COMMAND) == 0
    place = [given[name] for name in ("coordinator", "processes", "process")]
    assert place == ["node0:1234", 2, 1]
    assert "best validation mIoU" in capsys.readouterr().out
    assert main(COMMAND) == 0
    assert not capsys.readouterr().out


def test_a_stopped_training_goes_on_with_the_same_place(monkeypatch, capsys):
    stopped = result(signal=15)
    monkeypatch.setattr("keras_lraspp.config.call", lambda run, **flags: stopped)
    assert main(COMMAND) == 128 + 15
    assert f"{' '.join(HOSTS)} --output_dir=o --resume" in capsys.readouterr().out


def test_what_to_type_next_has_the_overridden_values(monkeypatch, capsys):
    binding = 'Shards.root = "my shards"'
    for done in (result(), result(signal=15)):
        monkeypatch.setattr(
            "keras_lraspp.config.call", lambda run, done=done, **flags: done
        )
        main(["train", "--gin_file=quickstart.gin", "--gin_bindings", binding])
        lines = capsys.readouterr().out.splitlines()
        (typed, *_) = [shlex.split(line) for line in lines if "--gin_file" in line]
        assert f"--gin_bindings={binding}" in typed


def test_tensorflow_says_in_a_sentence_how_several_hosts_train(tmp_path, capsys):
    arguments = [*COMMAND, f"--output_dir={tmp_path / 'run'}", "--data_root=none"]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "on JAX, not on tensorflow" in said and "KERAS_BACKEND=jax" in said
    assert not (tmp_path / "run").exists()


def test_a_dry_run_is_passed_on_and_ends_well(monkeypatch, capsys):
    given = {}
    monkeypatch.setattr(
        "keras_lraspp.config.call", lambda run, **flags: given.update(flags)
    )
    assert main(["train", "--gin_file=os8_global.gin", "--dry_run"]) == 0
    assert given["dry_run"] is True
    assert not capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--processes=two", "--process=first"])
def test_numbers_are_numbers(flag, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", "--gin_file=os8_global.gin", flag])
    assert caught.value.code == 2
    assert "invalid int value" in capsys.readouterr().err
