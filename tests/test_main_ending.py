"""The end of a command's process: its exit code within seconds, whatever threads do."""

import subprocess

from harness.children import command, environment

# A command that leaves behind what could keep a process, and what would be lost.
LEFTOVERS = """
    import atexit, logging, os, sys, tempfile, threading, time
    from concurrent.futures import ThreadPoolExecutor
    from keras_lraspp import __main__, errors

    how, folder = sys.argv[1:]

    class Stubborn:  # as an iterator of tf.data whose reader does not come back
        def __del__(self):
            time.sleep(100)

    def run(flags):
        globals()["kept"] = tempfile.TemporaryDirectory(dir=folder)
        handler = logging.FileHandler(os.path.join(folder, "log"))
        logging.getLogger().addHandler(handler)
        logging.getLogger().warning("logged")
        atexit.register(open, os.path.join(folder, "handled"), "w")
        if "thread" in how:
            threading.Thread(target=time.sleep, args=(100,)).start()
        if "pool" in how:
            globals()["pool"] = ThreadPoolExecutor(1)
            pool.submit(time.sleep, 100)
        if "handler" in how:
            atexit.register(time.sleep, 100)
        held = Stubborn() if "held" in how else None
        sys.stdout.reconfigure(line_buffering=False)
        print("not flushed yet")
        if "bug" in how:
            raise ZeroDivisionError("a bug")
        if "interrupt" in how:
            raise KeyboardInterrupt
        if "error" in how:
            raise errors.StorageError("The disk is full.")
        return 0

    first = __main__.COMMANDS[0]._replace(run=run, add_flags=lambda parser: None)
    __main__.COMMANDS = (first,)
    __main__.run_process([first.name])
"""
FULL = "error: The disk is full.\n"
ENDINGS = {
    "success": (0, ""),
    "error": (3, FULL),
    "interrupt": (130, ""),
    "success, thread": (0, ""),
    "error, pool": (3, FULL),
    "error, held": (3, FULL),
    "error, handler": (3, FULL),
    "interrupt, thread": (130, ""),
    "bug, thread": (1, "ZeroDivisionError: a bug\n"),
}


def start(program, *arguments):
    return subprocess.Popen(
        command(program, *arguments),
        env=environment(TF_CPP_MIN_LOG_LEVEL="3"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_row_48_a_process_ends_with_its_code_whatever_is_left(tmp_path):
    folders = [tmp_path / str(index) for index in range(len(ENDINGS))]
    for folder in folders:
        folder.mkdir()
    children = [start(LEFTOVERS, *pair) for pair in zip(ENDINGS, folders, strict=True)]
    for child, folder, how in zip(children, folders, ENDINGS, strict=True):
        code, says = ENDINGS[how]
        output, errors = child.communicate(timeout=60)
        assert (child.returncode, output) == (code, "not flushed yet\n"), how
        assert errors.endswith(says) and bool(errors) == bool(says), how
        assert (folder / "log").read_text() == "logged\n"
        if "," not in how:  # nothing keeps the handlers from running
            assert {path.name for path in folder.iterdir()} == {"log", "handled"}


# Readers meet damaged files; those after them never come back.
TRAINING = """
    import itertools, pathlib, sys, time
    import keras_lraspp.config
    from harness import tiny
    from keras_lraspp.__main__ import run_process
    from keras_lraspp.data.dataset import Dataset
    from keras_lraspp.errors import InputError

    plain, calls = Dataset.load_window, itertools.count()

    def load_window(self, index, window):
        call = next(calls)
        if 12 <= call < 20:
            raise InputError("a.png is damaged; replace it.")
        if call >= 20:
            time.sleep(1000)
        return plain(self, index, window)

    def call(run, **flags):
        Dataset.load_window = load_window
        root, output = map(pathlib.Path, sys.argv[1:])
        tiny.write_pictures(root)
        return tiny.run(root, output, eval_interval=50, save_interval=50)

    keras_lraspp.config.load_config = lambda *files: None
    keras_lraspp.config.call = call
    run_process(["train", "--gin_file=none.gin"])
"""


def test_row_48_a_training_ends_after_a_reader_s_error(tmp_path):
    """Two of four such runs did not within 15 s, at Python's end."""
    child = start(TRAINING, tmp_path / "pictures", tmp_path / "run")
    output, errors = child.communicate(timeout=240)
    assert errors.endswith("error: a.png is damaged; replace it.\n")
    assert child.returncode == 2
    (saved,) = (tmp_path / "run/checkpoints").iterdir()
    assert f"saved iteration {int(saved.stem[5:])}; --resume" in output
    assert not [*(tmp_path / "run").glob(".tmp-*")]
