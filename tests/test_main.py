"""The command: its flags, what it calls, and how it ends."""

import io
import os
import re
import shlex
import signal
import subprocess
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import pytest

import keras_lraspp
from harness.children import command, environment
from keras_lraspp.__main__ import COMMANDS, _parser, main
from keras_lraspp.cli.flags import CommandParser, command_line, read_size
from keras_lraspp.errors import DivergedError, InputError, StorageError
from keras_lraspp.training.train import TrainingResult

TREE = Path(__file__).parents[1]
RESULT = TrainingResult(10, 5, 0.5, Path("o/best.keras"), None)
ENVIRONMENT = {key: os.environ[key] for key in os.environ if key != "PYTHONPATH"}

# A module that Python imports first.
NO_KERAS = """
import sys
class NoKeras:
    def find_spec(name, path, target=None):
        assert name not in ("keras", "tensorflow", "numpy"), name
sys.meta_path.insert(0, NoKeras)
"""

# The quickstart, made small.
TINY = """
include "quickstart.gin"
LRASPP.backbone = "small"
LRASPP.width = 0.35
Scenes.train_scenes = 4
Scenes.val_scenes = 2
Scenes.height = 64
Scenes.width = 128
recipe_transform.crop_size = (32, 64)
WarmupPolynomial.warmup_steps = 1
train.iterations = 4
train.batch_size = 2
train.eval_interval = 4
train.save_interval = 4
"""


NO_TORCH = """
import sys
class NoTorch:
    def find_spec(name, path, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, NoTorch)
"""


@pytest.fixture
def calls(monkeypatch):
    """Stands in for the runs; returns how they were called, by name."""
    seen = {}

    def call(run, **flags):
        seen[run] = flags
        return RESULT if run == "train" else None

    monkeypatch.setattr("keras_lraspp.config.call", call)
    return seen


@pytest.fixture
def fails(monkeypatch):
    """Lets every run raise an error."""

    def set_error(error):
        def call(run, **flags):
            raise error

        monkeypatch.setattr("keras_lraspp.config.call", call)

    return set_error


def test_train_passes_its_flags_on(calls, capsys):
    flags = ["--gin_file", "os8_global.gin", "--data_root=d", "--resume"]
    assert main(["train", *flags]) == 0
    given = {key: value for key, value in calls["train"].items() if value is not None}
    assert "# Parameters for train:" in given.pop("operative_config")()
    assert given == {
        "output_dir": Path("output/os8_global"),
        "data_root": "d",
        "resume": True,
    }
    printed = capsys.readouterr().out
    assert "mIoU 0.5000, after iteration 5: o/best.keras" in printed
    assert (
        "keras-lraspp evaluate --gin_file=os8_global.gin --weights=o/best.keras "
        "--data_root=d" in printed
    )


def test_a_stopped_training_says_how_to_go_on(monkeypatch, capsys):
    stopped = RESULT._replace(signal=signal.SIGTERM)
    monkeypatch.setattr("keras_lraspp.config.call", lambda run, **flags: stopped)
    flags = ["--gin_file=camvid.gin", "--output_dir=o"]
    assert main(["train", *flags]) == 128 + 15
    assert (
        "train --gin_file=camvid.gin --output_dir=o --resume" in capsys.readouterr().out
    )


def test_export_passes_its_flags_on(calls):
    flags = ["--weights=w", "--output_dir=o", "--size=512x1024", "--model_version=3"]
    assert main(["export", "--gin_file=os8_global.gin", *flags]) == 0
    given = {key: value for key, value in calls["export"].items() if value is not None}
    assert given == {
        "weights": "w",
        "output_dir": "o",
        "size": (512, 1024),
        "version": 3,
    }


def test_bindings_may_be_one_flag_or_many(calls):
    from keras_lraspp import config

    flags = ["--gin_bindings", "train.seed=1", "train.keep=2"]
    more = ["--gin_bindings=train.log_interval = 3"]
    assert main(["train", "--gin_file=camvid.gin", *flags, *more]) == 0
    given = config.gin.get_bindings("train")
    assert (given["seed"], given["keep"], given["log_interval"]) == (1, 2, 3)


@pytest.mark.parametrize(
    "error, code, line",
    [
        (InputError("Wrong."), 2, "error: Wrong.\n"),
        (StorageError("Full."), 3, "error: Full.\n"),
        (DivergedError("Nan."), 4, "error: Nan.\n"),
        (
            PermissionError(13, "Permission denied", "a/b"),
            3,
            "error: Permission denied: a/b; check the path, its permissions and the "
            "free space.\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_is_one_sentence_and_an_exit_code(error, code, line, fails, capsys):
    fails(error)
    assert main(["evaluate", "--gin_file=camvid.gin", "--weights=w"]) == code
    assert capsys.readouterr().err == line


def test_a_bug_of_ours_is_a_traceback(fails):
    fails(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["evaluate", "--gin_file=camvid.gin", "--weights=w"])


def test_a_typo_in_a_binding_ends_with_2(capsys):
    flags = ["--gin_file=camvid.gin", "--gin_bindings=train.iteration=1"]
    assert main(["train", *flags]) == 2
    assert "train has no parameter iteration; did you" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["tarin"], "invalid choice: 'tarin'"),
        (["train"], "required: --gin_file"),
        (
            ["train", "--gin_file=a.gin", "--resum"],
            "no --resum; did you mean --resume?",
        ),
        (["train", "quickstart.gin"], "did you mean --gin_file=quickstart.gin?"),
        (["train", "--gin_file=a.gin", "b.gin"], "no place for b.gin"),
        (["predict", "a.png"], "required: --weights"),
        (["predict", "a.png", "--wights=w"], "no --wights; did you mean --weights?"),
        (["--verison"], "no --verison; did you mean --version?"),
        (["data", "shrads"], "'shrads'"),
        (["data", "shards", "--root=d"], "did you mean --data_root?"),
        (["report", "--utterly-other=d"], "there is no --utterly-other. See"),
        (["data", "scenes", "--output_dir=r", "--train=x"], "invalid int value: 'x'"),
    ],
)
def test_wrong_flags_end_with_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and " --help`" in said


@pytest.mark.parametrize("text", ["512", "512x", "0x5", "ax5", "-1x5", "512x1024x3"])
def test_a_size_is_height_and_width(text, capsys):
    flags = ["--weights=w", "--output_dir=o", f"--size={text}"]
    assert main(["export", "--gin_file=camvid.gin", *flags]) == 2
    assert "--size is HEIGHTxWIDTH" in capsys.readouterr().err
    assert read_size("--size", "33X47") == (33, 47)


def test_scenes_are_drawn(tmp_path, capsys):
    flags = [f"--output_dir={tmp_path}", "--train=2", "--val=1", "--size=64x128"]
    assert main(["data", "scenes", *flags]) == 0
    assert "2 train and 1 val scenes of 64x128" in capsys.readouterr().out
    assert len(list(tmp_path.glob("leftImg8bit/train/*/*.png"))) == 2
    assert main(["data", "scenes", f"--output_dir={tmp_path}", "--val=0"]) == 2


def test_next_commands_are_spelled_as_this_one_was(monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(TREE / "train.py")])
    assert command_line("evaluate") == f"python {TREE / 'evaluate.py'}"
    assert command_line("data scenes") == "keras-lraspp data scenes"
    monkeypatch.setattr(sys, "argv", ["/x/keras_lraspp/__main__.py"])
    assert command_line("data") == "python -m keras_lraspp data"
    monkeypatch.setattr(sys, "argv", ["/bin/keras-lraspp"])
    assert command_line("train") == "keras-lraspp train"


@pytest.mark.parametrize("stopped", [None, signal.SIGTERM])
def test_commands_can_be_typed_as_they_are_printed(stopped, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["/bin/keras-lraspp"])
    scenes = command_line("data scenes", "--output_dir=a b")
    assert scenes == "keras-lraspp data scenes '--output_dir=a b'"
    best = Path("my runs/$x/best.keras")
    result = RESULT._replace(best_path=best, signal=stopped)
    monkeypatch.setattr("keras_lraspp.config.call", lambda run, **flags: result)
    flags = ["--gin_file=camvid.gin", "--output_dir=my runs/$x", "--data_root=it's"]
    main(["train", *flags])
    lines = capsys.readouterr().out.splitlines()
    typed = [shlex.split(line) for line in lines if "keras-lraspp" in line]
    if stopped:
        assert [{*words[2:]} for words in typed] == [{*flags, "--resume"}]
    else:
        shared = [flags[0], f"--weights={best}"]
        assert typed[0][2:] == [*shared, flags[2]]
        shown = ["IMAGE_OR_FOLDER", shared[1], "--output_dir=my runs/$x/predictions"]
        assert typed[1][2:] == shown


@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "export"])
def test_the_scripts_are_doors_to_the_commands(name, tmp_path):
    # From anywhere, without installation, and before Keras is imported.
    (tmp_path / "sitecustomize.py").write_text(NO_KERAS)
    done = subprocess.run(
        [sys.executable, TREE / f"{name}.py", "--help"],
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"{name}.py [-h] --" in done.stdout


def commands(parser=None, words=()):
    """Words and parser of every command, of those of `data` too."""
    parser = parser or _parser()
    for action in parser._actions:
        for name, child in (action.choices or {}).items() if action.nargs else ():
            if isinstance(child, CommandParser):
                yield (*words, name), child
                yield from commands(child, (*words, name))


@pytest.mark.parametrize("words", [words for words, _ in commands()], ids=" ".join)
def test_every_command_explains_itself_with_an_example_that_it_reads(words, capsys):
    child = dict(commands())[words]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    if "commands:" in said:  # it has others, which have examples
        assert main([*words]) == 0
        assert capsys.readouterr().out == said
        return
    (example,) = re.findall(r"\nexample:\n  (.+)\n$", said)
    typed = shlex.split(example)
    assert typed[: len(words) + 1] == ["keras-lraspp", *words]
    flags = child.parse_args(typed[len(words) + 1 :])
    assert flags.run is not None


def test_without_a_command_it_prints_its_help(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(f"    {command.name}" in said for command in COMMANDS)
    assert all(f"\n  {code}  " in said for code in (0, 2, 3, 4, 130))


def test_the_versions_are_those_of_the_packages(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(NO_KERAS)
    done = subprocess.run(
        [sys.executable, "-m", "keras_lraspp", "--version"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{TREE}", "KERAS_BACKEND": ""},
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        f"keras-lraspp {keras_lraspp.__version__}",
        f"Keras {version('keras')}",
    ]
    assert lines[2].startswith(f"TensorFlow {version('tensorflow')}, Keras's backend")
    assert lines[3].startswith("Python 3.")


def test_a_reader_that_had_enough_ends_it_quietly(tmp_path):
    program = """
        import sys
        from keras_lraspp.__main__ import run_process

        def call(run, **flags):
            for number in range(100_000):
                print(number)

        import keras_lraspp.config
        keras_lraspp.config.load_config = lambda *arguments: None
        keras_lraspp.config.call = call
        run_process(["evaluate", "--gin_file=x", "--weights=w"])
        """
    with subprocess.Popen(
        command(program), env=environment(), stdout=-1, stderr=-1, text=True
    ) as child:
        assert child.stdout.readline() == "0\n"
        child.stdout.close()
        said = child.stderr.read()
    assert child.returncode == 141
    assert "Traceback" not in said and "error:" not in said and "pipe" not in said


def test_a_warning_to_the_user_is_one_line(monkeypatch):
    shown = []

    def call(run, **flags):  # pytest collects warnings: ask what would be shown
        for kind in (UserWarning, DeprecationWarning):
            shown.append(warnings.formatwarning("3 labels.", kind, "a.py", 3))

    monkeypatch.setattr("keras_lraspp.config.call", call)
    before = warnings.formatwarning
    assert main(["evaluate", "--gin_file=camvid.gin", "--weights=w"]) == 0
    assert shown[0] == "warning: 3 labels.\n"
    assert shown[1].startswith("a.py:3: DeprecationWarning: 3 labels.")
    assert warnings.formatwarning is before


@pytest.mark.slow  # `.ci/run` runs it with the lowest and the newest versions
def test_train_evaluate_predict_and_export_work_together(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.gin").write_text(TINY)

    def run(*arguments):
        assert main([*arguments]) == 0
        return capsys.readouterr().out

    assert "best validation mIoU" in run("train", "--gin_file=tiny.gin")
    weights = "--weights=output/tiny/best.keras"
    saved = ["--gin_file=output/tiny/config.gin", weights]
    run("evaluate", *saved, "--json=scores.json")
    assert '"miou"' in (tmp_path / "scores.json").read_text()
    formats = ["--format=saved_model,onnx,litert", "--size=64x128"]
    run("export", *saved, "--output_dir=s", *formats)
    image = next(tmp_path.glob("data/scenes/leftImg8bit/val/*/*.png"))
    for name in ("output/tiny/best.keras", "s/1", "s/model.onnx", "s/model.tflite"):
        place = f"p/{Path(name).name}"
        flags = [f"--weights={name}", f"--input={image}", f"--output_dir={place}"]
        run("predict", saved[0], *flags)
        assert len(list(tmp_path.glob(f"{place}/*.png"))) == 3
    (tmp_path / "output/tiny/report.html").unlink()
    run("report", "--output_dir=output/tiny")
    assert (tmp_path / "output/tiny/report.html").is_file()
    for kind in ("tfrecord", "array_record"):
        out = [f"--output_dir={kind}", f"--file_format={kind}"]
        assert "val: 2 samples" in run("data", "shards", "--gin_file=tiny.gin", *out)
        bindings = ["--gin_bindings", "DATASET = @Shards"]
        read = ["train", "--gin_file=tiny.gin", "--dry_run", f"--data_root={kind}"]
        run(*read, *bindings)
    assert main(["train", "--gin_file=tiny.gin"]) == 2  # the folder holds a run


def test_a_terminal_of_ascii_gets_the_rest_as_escapes(monkeypatch):
    def call(run, **flags):
        print("▁▂ caf\udce9")

    monkeypatch.setattr("keras_lraspp.config.call", call)
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, "ascii"))
    assert main(["evaluate", "--gin_file=camvid.gin", "--weights=w"]) == 0
    assert stream.getvalue() == b"\\u2581\\u2582 caf\\udce9\n"


@pytest.mark.parametrize("asked", ["openvino", "nonsense", "Torch"])
def test_another_backend_ends_with_2(asked, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", asked)
    assert main(["evaluate", "--gin_file=camvid.gin", "--weights=w"]) == 2
    said = f"KERAS_BACKEND is one of tensorflow, jax, torch, not '{asked}'"
    assert said in capsys.readouterr().err


def test_a_backend_without_its_package_ends_with_2(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(NO_TORCH)
    done = subprocess.run(
        [sys.executable, TREE / "train.py", "--gin_file=quickstart.gin"],
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONPATH": str(tmp_path), "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    (line,) = [row for row in done.stderr.splitlines() if row.startswith("error: ")]
    assert 'torch is not installed; run `pip install "keras-lraspp[torch]"`' in line
    assert "Traceback" not in done.stderr


def test_other_missing_modules_are_bugs_of_ours(fails):
    fails(ModuleNotFoundError("No module named 'x'", name="x"))
    with pytest.raises(ModuleNotFoundError):
        main(["evaluate", "--gin_file=camvid.gin", "--weights=w"])
