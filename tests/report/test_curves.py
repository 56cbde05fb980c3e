"""Curves: where the points lie, and that a figure asks for nothing outside."""

import re
from xml.etree import ElementTree

import numpy as np

from keras_lraspp.report.curves import Line, draw_curve
from keras_lraspp.run_dir.log import Series


def draw(**changes):
    series = Series(np.array([0.0, 25, 50, 100]), np.array([4.0, 1, 2, 0]))
    return draw_curve("<loss> & co", [Line(series)], **{"last_step": 100, **changes})


def elements(svg):
    """Parses it as an XML parser would, given the name space that HTML knows."""
    link = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
    return ElementTree.fromstring(svg.replace("<svg", f"<svg {link}", 1))


def test_points_lie_where_the_numbers_say():
    paths = elements(draw()).iter("path")
    line = next(p for p in paths if "stroke: var(--first)" in p.get("style", ""))
    x, y = np.array(re.findall(r"[ML] (\S+) (\S+)", line.get("d")), float).T
    np.testing.assert_allclose(
        (x - x[0]) / (x[-1] - x[0]), [0, 0.25, 0.5, 1], atol=1e-4
    )
    np.testing.assert_allclose(
        (y - y[-1]) / (y[0] - y[-1]), [1, 0.25, 0.5, 0], atol=1e-4
    )


def test_a_figure_is_named_themed_and_self_contained():
    svg = draw(mark=(50.0, 2.0))
    root = elements(svg)
    assert root.get("aria-label") == "<loss> & co" and root.get("viewBox")
    assert not root.get("width")  # the page scales it
    assert "var(--faint)" in svg and not re.search(r"#0[1-5]0[1-5]0[1-5]", svg)
    assert "http" not in svg and "<script" not in svg
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    referred = set(re.findall(r'(?:url\(|href=")#([^)"]+)', svg))
    assert referred <= ids
    assert svg == draw(mark=(50.0, 2.0))  # the same run gives the same page


def test_the_legend_names_the_lines_where_there_are_several():
    series = Series(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    lines = [Line(series, "one & two"), Line(series, "three", "second")]
    texts = [e.text for e in elements(draw_curve("", lines, last_step=2)).iter("text")]
    assert {"one & two", "three", "step"} <= {*texts}
