"""HTML page of a report: its contents as rows, and the rendering of the template."""

import base64
import io
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_lraspp.report.wrong_pixels import UNLABELLED, WRONG, WRONG_IN_BOTH

_PICTURE_WIDTH = 480  # pixels, at most
# Options of Pillow by format; at 82 no artefacts are seen, at a third of 95's size.
_ENCODING = {"jpeg": {"quality": 82}, "png": {"optimize": True}}


class KeyFigure(NamedTuple):
    """A number at the head of the page."""

    title: str
    value: str
    unit: str = ""
    note: str = ""


class Curve(NamedTuple):
    """A figure; `svg` is HTML, from `draw_curve`."""

    title: str
    svg: str
    caption: str = ""


class ClassRow(NamedTuple):
    """A class in the table; shares are 0..1, `None` where they are 0/0."""

    name: str
    color: str  # as CSS writes it
    share: float | None  # of the labelled pixels
    iou: float | None
    precision: float | None
    recall: float | None


class ConfusionCell(NamedTuple):
    """A cell of the confusion matrix: its share of the row, and a tooltip."""

    share: float | None
    text: str


class ConfusionTable(NamedTuple):
    """The confusion matrix: cells by row, or, for many classes, a picture."""

    rows: list[list[ConfusionCell]]
    picture: str = ""  # data URI


class ExamplePicture(NamedTuple):
    """A picture of an example."""

    caption: str
    uri: str  # data URI


class Example(NamedTuple):
    """An image of the validation set with its own score."""

    name: str
    score: str  # with its unit
    note: str = ""  # what the score comes from
    pictures: tuple[ExamplePicture, ...] = ()


class LegendEntry(NamedTuple):
    """A class in the legend of the examples."""

    name: str
    color: str


class Page(NamedTuple):
    """All that is on the page; texts are plain and get escaped."""

    title: str
    subtitle: str
    status: str
    key_figures: list[KeyFigure]
    curves: list[Curve]
    classes: list[ClassRow]
    confusion: ConfusionTable | None
    best: list[Example]
    worst: list[Example]
    legend_rows: list[LegendEntry]
    missing: str  # why pictures or scores are not there; empty if they are
    commands: list[tuple[str, str]]  # title, command line
    config: str
    versions: list[tuple[str, str]]
    footer: str


def render_page(page: NamedTuple, template: str = "report.html.j2") -> str:
    """Renders the fields of a page as one HTML file that needs nothing else.

    Every text is escaped; the page itself forbids scripts and any address but `data:`.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, package_path="."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "points": points, "ranks": ranks}
    colors = {"wrong": WRONG, "wrong_in_both": WRONG_IN_BOTH, "unlabelled": UNLABELLED}
    environment.globals |= {name: css_color(rgb) for name, rgb in colors.items()}
    return environment.get_template(template).render(page._asdict()).lstrip()


def ranks(values: Iterable[float | None], largest_first: bool = False) -> list[int]:
    """Returns the place of each value in order, from 1; `None` comes last."""
    given = [*values]
    sign = -1 if largest_first else 1

    def key(index: int) -> tuple[bool, float]:
        value = given[index]
        return value is None, 0.0 if value is None else sign * value

    order = sorted(range(len(given)), key=key)
    return [place + 1 for place in np.argsort(order).tolist()]


def percent(value: float | None, missing: str = "–") -> str:
    """Writes a share of 0..1 in percent, with one decimal and without the sign."""
    return missing if value is None else f"{100 * value:.1f}"


def points(value: float | None) -> str:
    """Writes a difference of shares in percentage points; none has no sign."""
    if value is None:
        return "–"
    text = f"{100 * value:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def css_color(color: tuple[int, int, int]) -> str:
    """Writes an RGB colour, 0..255, as CSS does."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def thumbnail_size(height: int, width: int) -> tuple[int, int]:
    """Returns the (width, height) of an image on the page; never a larger one."""
    scale = min(1.0, _PICTURE_WIDTH / width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def data_uri(pixels: np.ndarray, kind: str) -> str:
    """Encodes uint8 RGB (H, W, 3) as a `"jpeg"` or `"png"` in a `data:` URI."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind, **_ENCODING[kind])
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
