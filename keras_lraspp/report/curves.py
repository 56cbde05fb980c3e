"""Curves over training steps, as SVG for an HTML page, light or dark."""

import html
import io
import re
from typing import NamedTuple

from keras_lraspp.run_dir.log import Series, downsample

# Placeholders; replaced by the page's CSS variables.
_COLORS = {
    "ink": "#010101",
    "faint": "#020202",
    "line": "#030303",
    "first": "#040404",
    "second": "#050505",
    "third": "#060606",
}
_STYLE = {
    "font.size": 9.5,
    "svg.fonttype": "none",  # text stays text, in the page's own font
    "svg.hashsalt": "keras-lraspp",  # the same curve gives the same file
    "text.color": _COLORS["ink"],
    "axes.edgecolor": _COLORS["line"],
    "axes.labelcolor": _COLORS["faint"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": _COLORS["line"],
    "grid.linewidth": 0.7,
    "xtick.color": _COLORS["line"],
    "ytick.color": _COLORS["line"],
    "xtick.labelcolor": _COLORS["faint"],
    "ytick.labelcolor": _COLORS["faint"],
    "legend.frameon": False,
}
_STEPS = [1, 2, 2.5, 5, 10]  # between two marks of an axis, times a power of ten
_SIZE = 5.0, 2.7  # inches of 72 units; the page scales it


class Line(NamedTuple):
    """One line of a figure."""

    series: Series
    name: str = ""  # in the legend; empty to leave it out
    color: str = "first"  # of the page: first, second or third
    faint: bool = False  # thin and pale, behind the others
    dots: bool = False  # whether each point is marked


def draw_curve(
    title: str,
    lines: list[Line],
    *,
    last_step: float,
    mark: tuple[float, float] | None = None,
) -> str:
    """Draws lines over the steps of training, as an `<svg>` element for an HTML page.

    It has no scripts, ids of its own or references to anything outside; its colours
    are the CSS variables `--ink`, `--faint`, `--line`, `--first` and so on. `title` is
    for screen readers, and `mark` gets a ring around it.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, MaxNLocator

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE)
        axes = figure.add_axes((0.1, 0.16, 0.88, 0.8))
        for line in lines:
            axes.plot(
                *downsample(line.series),
                color=_COLORS[line.color],
                linewidth=1.0 if line.faint else 1.8,
                alpha=0.35 if line.faint else 1.0,
                marker="o" if line.dots else None,
                markersize=3.5,
                label=line.name or "_",
                solid_joinstyle="round",
            )
        if mark is not None:
            ring = {"mfc": "none", "mec": _COLORS["ink"], "ms": 9, "zorder": 5}
            axes.plot(*mark, "o", **ring)
        axes.margins(y=0.08)
        axes.set_xlim(0, 1.02 * last_step)
        lowest = min(float(line.series.values.min()) for line in lines)
        axes.set_ylim(bottom=0.0 if lowest >= 0 else None)
        axes.set_xlabel("step")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
        axes.tick_params(length=0)
        if sum(bool(line.name) for line in lines) > 1:
            axes.legend(loc="best", handlelength=1.2, fontsize=9)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True)
    return _inline_svg(drawn.getvalue(), title)


def _inline_svg(svg: str, title: str) -> str:
    """Strips what only an SVG file needs, and puts the page's colours in."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    # Groups have the same names in every figure; only clip paths are referred to.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    box = re.search(r'viewBox="[^"]*"', svg)[0]
    label = html.escape(title)
    start = f'<svg {box} role="img" aria-label="{label}">'
    svg = re.sub(r"<svg[^>]*>", lambda _: start, svg, count=1)
    for name, color in _COLORS.items():
        svg = svg.replace(color, f"var(--{name})")
    return svg
