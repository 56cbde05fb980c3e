"""A picture of what each variant costs and is worth."""

from pathlib import Path
from typing import NamedTuple

_MARKS = {"keras": "o", "saved_model": "s", "onnx": "D", "litert": "^"}
_COLORS = {
    "keras": "#c43c31",
    "saved_model": "#e08a1e",
    "onnx": "#1f5fa8",
    "litert": "#3c8d40",
}


class Point(NamedTuple):
    """A variant in a format.

    Attributes:
        variant: Its name.
        format: `"keras"`, `"saved_model"`, `"onnx"` or `"litert"`.
        latency: In milliseconds.
        miou: In percent.
    """

    variant: str
    format: str
    latency: float
    miou: float


def draw_latencies(points: list[Point], title: str, path: Path) -> None:
    """Draws the latency of variants against their mIoU, as PNG.

    A line joins the formats of a variant, whose name stands above it.

    Args:
        points: At least one.
        title: What was measured.
        path: The file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.add_subplot()
    slowest = max(point.latency for point in points)
    for variant in dict.fromkeys(point.variant for point in points):
        own = sorted(
            (point for point in points if point.variant == variant),
            key=lambda point: point.latency,
        )
        axes.plot(
            [point.latency for point in own],
            [point.miou for point in own],
            color="#bbbbbb",
            linewidth=1,
            zorder=1,
        )
        on_the_right = own[0].latency > 0.7 * slowest  # no room for the name there
        axes.annotate(
            f"{variant}  {own[0].miou:.2f}",
            (own[-1 if on_the_right else 0].latency, own[0].miou),
            xytext=(0, 9),
            textcoords="offset points",
            horizontalalignment="right" if on_the_right else "left",
            fontsize=9,
        )
    for name in dict.fromkeys(point.format for point in points):
        own = [point for point in points if point.format == name]
        axes.scatter(
            [point.latency for point in own],
            [point.miou for point in own],
            marker=_MARKS[name],
            color=_COLORS[name],
            edgecolors="white",  # where two stand on one another
            s=60,
            label=name,
            zorder=2,
        )
    figure.suptitle(f"From image to labels: {title}", fontsize=10)
    axes.set_xlabel("latency, median of the calls, ms")
    axes.set_ylabel("published mIoU on Cityscapes val, %")
    axes.set_xlim(left=0, right=1.05 * slowest)
    axes.margins(y=0.25)
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside lower center", ncols=len(_MARKS))
    figure.savefig(path, format="png", dpi=150)
