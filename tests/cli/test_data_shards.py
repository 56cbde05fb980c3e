"""The command `keras-lraspp data shards`: flags, faults, and an interruption."""

import signal
import subprocess

import pytest

from harness import tiny
from harness.children import command, environment
from keras_lraspp.__main__ import main
from keras_lraspp.data import Shards

TINY = ["FileList.num_classes = 3", "FileList.name = 'tiny'"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tiny.write_pictures(tmp_path_factory.mktemp("pictures"))


def write(root, out, *flags, data="--dataset=FileList"):
    """The command on the tiny pictures."""
    where = [f"--data_root={root}", f"--output_dir={out}"]
    return main(["data", "shards", data, *where, *flags, "--gin_bindings", *TINY])


@pytest.mark.parametrize(
    ("flag", "argument"),
    [
        ("--encoding=jpeg", {"encoding": "jpeg"}),
        ("--file_format=array_record", {"file_format": "array_record"}),
        ("--data_root=d", {"data_root": "d"}),
        ("--split=train, test", {"splits": ("train", "test")}),
        ("--workers=3", {"workers": 3}),
        (None, {}),
    ],
)
def test_each_flag_is_passed_on(monkeypatch, flag, argument):
    calls = {}
    monkeypatch.setattr("keras_lraspp.config.call", lambda run, **f: calls.update(f))
    typed = [] if flag is None else [flag]
    assert main(["data", "shards", "--dataset=CamVid", "--output_dir=o", *typed]) == 0
    given = {name: value for name, value in calls.items() if value is not None}
    assert given == {"output_dir": "o", "splits": ("train", "val"), **argument}


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_it_writes_and_says_counts(pictures, tmp_path, capsys, file_format):
    out = tmp_path / "new" / "shards"
    assert write(pictures, out, f"--file_format={file_format}") == 0
    said = capsys.readouterr().out
    assert "train: 6 samples in 1 files" in said and "val: 2 samples" in said
    assert len(Shards(out, checksums=True)) == 6 and len(Shards(out, "val")) == 2
    assert [path.name for path in out.parent.iterdir()] == ["shards"]


def test_a_configuration_names_the_data_set(pictures, tmp_path):
    path = tmp_path / "mine.gin"
    path.write_text(
        'include "base/runs.gin"\nDATASET = @FileList\nLRASPP.output_stride = 32\n'
    )
    out = tmp_path / "shards"
    assert write(pictures, out, "--split=val", data=f"--gin_file={path}") == 0
    assert len(Shards(out, "val")) == 2


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--encoding=webp"], "encoding is png or jpeg, not 'webp'"),
        (["--file_format=zip"], "file_format is tfrecord or array_record, not 'zip'"),
        (["--workers=0"], "--workers is at least 1, not 0"),
        (["--split=,"], "--split names no split"),
        (["--split=train,train"], "train is named twice"),
        (["--split=test"], "test.txt"),
        (["--gin_file=quickstart.gin"], "give one of them"),
    ],
)
def test_bad_arguments_are_one_sentence(pictures, tmp_path, capsys, flags, said):
    assert write(pictures, tmp_path / "new" / "shards", *flags) == 2
    message = capsys.readouterr().err
    assert said in message and message.count("\n") == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("there", ["notes.txt", "shards.json"])
def test_a_folder_with_files_is_refused(pictures, tmp_path, capsys, there):
    (tmp_path / there).write_text("mine")
    assert write(pictures, tmp_path) == 2
    message = capsys.readouterr().err
    assert f"{tmp_path} exists; remove it first" in message
    assert message.count("\n") == 1
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_an_empty_folder_is_filled(pictures, tmp_path):
    (tmp_path / "shards").mkdir()
    assert write(pictures, tmp_path / "shards") == 0
    assert len(Shards(tmp_path / "shards")) == 6


def test_after_ctrl_c_nothing_is_left_and_it_can_be_run_again(pictures, tmp_path):
    program = """
        import signal, sys, time
        from keras_lraspp.__main__ import main
        from keras_lraspp.data.shards import writer

        # Jobs that a shell runs in the background are born deaf to it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        write = writer.ShardWriter.write

        def slowly(self, content):
            write(self, content)
            print("written", flush=True)
            time.sleep(1)

        writer.ShardWriter.write = slowly
        sys.exit(main(sys.argv[1:]))
        """
    out = tmp_path / "new" / "shards"
    flags = ["data", "shards", "--dataset=FileList", f"--data_root={pictures}"]
    flags += [f"--output_dir={out}", "--gin_bindings", *TINY]
    with subprocess.Popen(
        command(program, *flags),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout.readline() == "written\n"
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in said
    assert not out.exists()
    assert not list(out.parent.iterdir())
    assert write(pictures, out) == 0
    assert len(Shards(out, checksums=True)) == 6
