"""Variants are measured, each in a process of its own."""

import json

import numpy as np
import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.runs import benchmark_child
from keras_lraspp.runs.benchmark import benchmark

SMALLEST = "small_x0_35_os32_global"
SIZE = (32, 64)


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
    assert "32x64, batch 2, 1 threads, 3 calls" in said
    assert said.count(SMALLEST) == 2
    written = json.loads((tmp_path / "benchmark.json").read_text())
    assert [row["format"] for row in written["rows"]] == ["keras", "onnx"]
    assert written["rows"][0]["median_ms"] == pytest.approx(
        np.median(written["rows"][0]["milliseconds"])
    )
    assert written["size"] == list(SIZE) and "keras" in written["versions"]
    assert not (tmp_path / "benchmark.png").exists()  # it has no published mIoU


def test_a_variant_that_fails_leaves_the_others(tmp_path, capsys):
    rows = benchmark(
        variants=["os8_large_kernel", "os32_global"],
        size=SIZE,
        runs=1,
        output_dir=tmp_path,
    )
    assert rows[1].error is None and rows[1].miou == 70.13
    assert rows[0].median_ms is None
    assert rows[0].error == "its smallest side is 385 pixels"
    assert "failed: " in capsys.readouterr().out
    assert (tmp_path / "benchmark.png").read_bytes()[1:4] == b"PNG"
    written = json.loads((tmp_path / "benchmark.json").read_text())["rows"]
    assert written[0]["error"] == rows[0].error


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"variants": ["os9_global"]}, "no variant 'os9_global'; take all or some of"),
        ({"formats": ["keras", "pth"]}, "--format is some of keras, saved_model, onnx"),
        ({"formats": []}, "--format is some of"),
        ({"batch": 0}, "--batch is at least 1, not 0"),
        ({"runs": -1}, "--runs is at least 1, not -1"),
        ({"threads": -2}, "--threads is at least 1, not -2"),
    ],
)
def test_bad_arguments(arguments, said, tmp_path):
    with pytest.raises(InputError, match=said):
        benchmark(**arguments, output_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_format_is_opened(tmp_path):
    from keras_lraspp.runs.benchmark_files import main

    formats = ["saved_model", "litert"]
    job = {"variant": SMALLEST, "formats": formats, "size": SIZE}
    made = main({**job, "folder": str(tmp_path)})
    images = np.zeros((2, *SIZE, 3), np.uint8)
    for name in formats:
        run = benchmark_child.OPENERS[name](made["files"][name]["path"], images, 1)
        found = run()
        labels = (
            np.concatenate([one["labels"] for one in found])
            if name == "litert"
            else found
        )
        assert labels.shape == (2, *SIZE)
