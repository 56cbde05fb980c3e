"""The plot of latency and mIoU."""

import numpy as np
from PIL import Image, ImageColor

from keras_lraspp.reports.latency_plot import Point, draw_latencies


def colored(picture, color):
    """Columns and rows of a colour's pixels."""
    rows, columns = np.nonzero((picture == ImageColor.getrgb(color)).all(-1))
    return columns, rows


def test_points_stand_where_they_belong(tmp_path):
    points = [
        Point("os8_global", "onnx", 200.0, 72.33),
        Point("os32_global", "onnx", 50.0, 70.13),
        Point("os32_global", "litert", 100.0, 70.13),
    ]
    draw_latencies(points, "64x64", tmp_path / "plot.png")
    picture = np.asarray(Image.open(tmp_path / "plot.png").convert("RGB"))
    assert picture.shape == (720, 1200, 3)
    columns, rows = colored(picture, "#1f5fa8")  # ONNX, and its key in the legend
    slow = columns[rows < 300].mean()
    fast = columns[columns < 500].mean()
    (litert, _) = colored(picture, "#3c8d40")
    litert = litert[litert < 900].mean()
    # Latencies 50, 100 and 200 are on one straight axis.
    np.testing.assert_allclose((slow - fast) / (litert - fast), 3, rtol=0.05)
    assert not colored(picture, "#c43c31")[0].size  # no Keras
