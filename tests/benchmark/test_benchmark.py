"""Variants are measured, each in a process of its own."""

import json

import numpy as np
import pytest

from keras_lraspp.benchmark.benchmark import benchmark
from keras_lraspp.benchmark.measure import OPENERS, export_variant
from keras_lraspp.errors import InputError
from keras_lraspp.weights.published import VARIANTS

SMALLEST = "small_x0_35_os32_global"
SIZE = (32, 64)
IMAGES = {"size": SIZE, "channels": 3}
LITERT = ("write", "litert")


@pytest.mark.slow  # `.ci/run` runs it
def test_rows_have_what_was_measured(tmp_path, capsys):
    rows = benchmark(
        variants=[SMALLEST],
        formats=["keras", "onnx"],
        size=SIZE,
        batch=2,
        threads=1,
        runs=3,
        output_dir=tmp_path,
    )
    assert [(row.variant, row.format) for row in rows] == [
        (SMALLEST, "keras"),
        (SMALLEST, "onnx"),
    ]
    for row in rows:
        assert row.error is None
        assert len(row.milliseconds) == 3 and min(row.milliseconds) > 0
        # The reference's 196 138 are with 3 x 128 biases that our network leaves out.
        assert row.parameters == 196_138 - 3 * 128
        # A quarter of a hundredth of 512x1024; the gates' share does not shrink.
        assert row.multiply_adds == pytest.approx(1_092_852_064 / 256, rel=0.05)
    keras_row, onnx_row = rows
    # Weights of 4 bytes; Keras also holds moving averages.
    assert 4 * row.parameters < keras_row.file_bytes < 8 * row.parameters
    assert onnx_row.file_bytes < keras_row.file_bytes
    # Keras brings TensorFlow, ONNX Runtime does not.
    assert 0 < onnx_row.peak_bytes < 0.7 * keras_row.peak_bytes
    said = capsys.readouterr().out
    assert "32x64x3, batch 2, 1 threads, 3 calls" in said
    assert said.count(SMALLEST) == 2
    written = json.loads((tmp_path / "benchmark.json").read_text())
    assert [row["format"] for row in written["rows"]] == ["keras", "onnx"]
    assert written["rows"][0]["median_ms"] == pytest.approx(
        np.median(written["rows"][0]["milliseconds"])
    )
    assert written["size"] == list(SIZE) and "keras" in written["versions"]
    assert not (tmp_path / "benchmark.png").exists()  # it has no published mIoU


@pytest.fixture
def children(monkeypatch):
    """Answers instead of the children, and notes their formats and whether they time.

    Litert files of os8_global cannot be written, ONNX files of os32_global not be run.
    """
    asked = []

    def child(program, job):
        times = "path" in job
        asked.append(("time", job["path"]) if times else ("write", *job["kinds"]))
        if times and job["path"] == "os32_global.onnx":
            return {"error": "the process ended with -9"}
        if times:
            taken = 3.0 if "int8" in job["kind"] else 6.0
            return {"milliseconds": [7.0, 1.0, taken], "peak_bytes": 3 * 10**8}
        if job["variant"] == "os8_global" and "litert" in job["kinds"]:
            return {"error": "no such operator"}
        files = {
            name: {"path": f"{job['variant']}.{name}", "bytes": 10**7}
            for name in job["kinds"]
        }
        return {"parameters": 3 * 10**6, "multiply_adds": 10**10, "files": files}

    monkeypatch.setattr("keras_lraspp.benchmark.benchmark.run_child", child)
    return asked


def test_a_row_that_fails_leaves_the_others(children, tmp_path, capsys):
    rows = benchmark(
        variants=["os8_global", "os32_global"],
        formats=["onnx", "litert"],
        output_dir=tmp_path / "new",
    )
    assert [row.error for row in rows] == [
        None,
        "no such operator",
        "the process ended with -9",
        None,
    ]
    assert [row.median_ms for row in rows] == [6.0, None, None, 6.0]
    # Of a file that cannot be run its size is known, of the other one nothing.
    assert [row.file_bytes for row in rows] == [10**7, None, 10**7, 10**7]
    # Written together, and one by one where that failed.
    assert children[:3] == [("write", "onnx", "litert"), ("write", "onnx"), LITERT]
    assert ("write", "onnx") not in children[3:]
    assert capsys.readouterr().out.count("failed: ") == 2
    assert (tmp_path / "new" / "benchmark.png").read_bytes()[1:4] == b"PNG"
    written = json.loads((tmp_path / "new" / "benchmark.json").read_text())["rows"]
    assert [row["error"] for row in written] == [row.error for row in rows]
    assert [row["miou"] for row in written] == [72.33, 72.33, 70.13, 70.13]


def test_precisions_are_compared(children, tmp_path, capsys):
    rows = benchmark(
        variants=["os32_global"],
        formats=["litert", "saved_model"],
        precisions=["float32", "int8"],
        output_dir=tmp_path,
    )
    assert [(row.format, row.precision, row.median_ms) for row in rows] == [
        ("litert", "float32", 6.0),
        ("litert", "int8", 3.0),
        ("saved_model", "float32", 6.0),
    ]
    assert children[0] == ("write", "litert", "litert int8", "saved_model")
    said = capsys.readouterr().out
    assert said.count("float32's time") == 1
    assert "os32_global: litert int8 takes 0.50 of float32's time" in said
    written = json.loads((tmp_path / "benchmark.json").read_text())["rows"]
    assert [row["precision"] for row in written] == ["float32", "int8", "float32"]


def test_all_are_all_in_the_order_of_the_table(children, tmp_path):
    rows = benchmark(variants=["all"], formats=["keras"], output_dir=tmp_path)
    assert [row.variant for row in rows] == [variant.name for variant in VARIANTS]
    twice = ["os32_global", "os32_global_cityscapes", "os32_global"]
    rows = benchmark(variants=twice, formats=["onnx", "onnx"], output_dir=tmp_path)
    assert len(rows) == 1


def test_a_size_that_a_network_does_not_take(tmp_path):
    job = {"variant": "os8_large_kernel", "kinds": ["keras"], **IMAGES}
    with pytest.raises(InputError, match="its smallest side is 385 pixels"):
        export_variant({**job, "folder": str(tmp_path)})


def test_a_folder_that_is_a_file_is_said_before_anything_runs(children, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        benchmark(output_dir=tmp_path / "file")
    assert not children


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"variants": ["os9_global"]}, "no variant 'os9_global'; take all or some of"),
        ({"formats": ["keras", "pth"]}, "--format is some of keras, saved_model, onnx"),
        ({"formats": []}, "--format is some of"),
        ({"precisions": ["int8"]}, r"--precision is .* \(keras: float32\), not 'int8'"),
        ({"precisions": []}, "--precision is some of those of the formats"),
        ({"batch": 0}, "benchmark.batch is a whole number from 1 to .* not 0"),
        ({"runs": -1}, "benchmark.runs is .* not -1"),
        ({"threads": -2}, "benchmark.threads is .* not -2"),
        ({"threads": 0}, "benchmark.threads is .* not 0"),
    ],
)
def test_bad_arguments(arguments, said, tmp_path):
    with pytest.raises(InputError, match=said):
        benchmark(**arguments, output_dir=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # `.ci/run` runs it
def test_every_format_is_opened(tmp_path):
    kinds = ["saved_model", "litert", "litert int8", "onnx", "onnx int8"]
    job = {"variant": SMALLEST, "kinds": kinds, **IMAGES}
    made = export_variant({**job, "folder": str(tmp_path)})
    images = np.zeros((2, *SIZE, 3), np.uint8)
    for kind in kinds:
        name = kind.split()[0]
        run = OPENERS[name](made["files"][kind]["path"], images, 1)
        found = run()
        labels = found[0] if name == "onnx" else found
        if name == "litert":
            labels = np.concatenate([one["labels"] for one in found])
        assert labels.shape == (2, *SIZE)
    float32, int8 = (made["files"][kind]["bytes"] for kind in ("onnx", "onnx int8"))
    assert int8 < 0.6 * float32
