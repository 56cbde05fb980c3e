"""Numbers of a row, and its line in the table."""

import numpy as np

from keras_lraspp.benchmark.benchmark import BenchmarkRow, table_head, table_line


def test_median_and_ninetieth_percentile():
    taken = list(np.random.default_rng(0).exponential(5, 17))
    row = BenchmarkRow(variant="v", format="onnx", milliseconds=taken)
    np.testing.assert_allclose(row.median_ms, np.median(taken))
    np.testing.assert_allclose(row.p90_ms, np.percentile(taken, 90))
    assert BenchmarkRow(variant="v", format="onnx", milliseconds=[3.0]).p90_ms == 3.0


def test_a_line():
    row = BenchmarkRow(
        variant="os8_global",
        format="onnx",
        miou=72.33,
        parameters=2_923_814,
        multiply_adds=12_258_068_576,
        file_bytes=11_523_103,
        milliseconds=[100.0, 101.0, 110.0],
        peak_bytes=332_000_000,
    )
    cells = table_line(row).split()
    assert cells[:2] == ["os8_global", "onnx"]
    assert cells[2:8] == ["2.92", "M", "12.26", "G", "11.5", "MB"]
    assert cells[8:] == ["101.0", "ms", "108.2", "ms", "332", "MB", "72.33"]
    titles = table_head()
    assert titles.split()[:3] == ["variant", "format", "parameters"]
    assert len(titles) == len(table_line(row))


def test_a_failed_line():
    row = BenchmarkRow(variant="v", format="litert", precision="int8", error="too big")
    assert table_line(row).split() == ["v", "litert", "int8", "failed:", "too", "big"]
