"""The plot of latency and mIoU."""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageColor

from keras_lraspp.benchmark.benchmark import BenchmarkRow, plot_latency


def measured(variant, format, latency, miou):
    return BenchmarkRow(
        variant=variant, format=format, milliseconds=[latency], miou=miou
    )


def colored(picture, color):
    """Columns and rows of a colour's pixels above the legend."""
    above = picture[:600]
    rows, columns = np.nonzero((above == ImageColor.getrgb(color)).all(-1))
    return columns, rows


def test_points_stand_where_they_belong(tmp_path):
    rows = [
        measured("os8_global", "onnx", 200.0, 72.33),
        measured("os32_global", "onnx", 50.0, 70.13),
        measured("os32_global", "litert", 100.0, 70.13),
    ]
    plot_latency(rows, "64x64", tmp_path / "plot.png")
    picture = np.asarray(Image.open(tmp_path / "plot.png").convert("RGB"))
    assert picture.shape == (720, 1200, 3)
    columns, rows = colored(picture, "#1f5fa8")  # ONNX
    slow = columns[rows < 300].mean()
    fast = columns[columns < 500].mean()
    litert = colored(picture, "#3c8d40")[0].mean()
    # Latencies 50, 100 and 200 are on one straight axis.
    np.testing.assert_allclose((slow - fast) / (litert - fast), 3, rtol=0.05)
    assert not colored(picture, "#c43c31")[0].size  # no Keras


def test_int8_is_hollow(tmp_path):
    rows = [
        measured("os32_global", "litert", 100.0, 70.13),
        replace(measured("os32_global", "litert", 50.0, 70.13), precision="int8"),
    ]
    plot_latency(rows, "64x64", tmp_path / "plot.png")
    picture = np.asarray(Image.open(tmp_path / "plot.png").convert("RGB"))
    columns, rows = colored(picture, "#3c8d40")
    for side, hollow in ((columns < 800, True), (columns >= 800, False)):
        middle = picture[round(rows[side].mean()), round(columns[side].mean())]
        assert (middle == 255).all() == hollow


def test_a_name_beside_the_slowest_point_is_inside(tmp_path):
    rows = [
        measured("os8_large_kernel", "keras", 400.0, 73.19),
        measured("os32_global", "keras", 100.0, 70.13),
    ]
    plot_latency(rows, "64x64", tmp_path / "plot.png")
    picture = np.asarray(Image.open(tmp_path / "plot.png").convert("L"))
    assert (picture[:, -5:] > 200).all()  # nothing but paper and the grid's ends
    columns, _ = colored(
        np.asarray(Image.open(tmp_path / "plot.png").convert("RGB")), "#c43c31"
    )
    dark = np.nonzero(picture[:200, 100:] < 60)[1] + 100  # the upper name's letters
    assert dark.size and dark.max() <= columns.max() + 5
