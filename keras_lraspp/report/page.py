"""The page itself: what is on it, as plain rows, and its HTML."""

import base64
import io
from importlib import resources
from typing import NamedTuple

import numpy as np
from PIL import Image

_TEMPLATE = "report.html.j2"


class Fact(NamedTuple):
    """A number at the head of the page."""

    title: str
    value: str
    unit: str = ""
    note: str = ""


class Curve(NamedTuple):
    """A figure; `svg` is HTML, from `draw_curve`."""

    title: str
    svg: str
    note: str = ""


class ClassRow(NamedTuple):
    """A class: shares are 0..1, `None` where they are 0/0."""

    name: str
    color: str  # as CSS writes it
    share: float | None  # of the labelled pixels
    iou: float | None
    precision: float | None
    recall: float | None


class Cell(NamedTuple):
    """A cell of the confusion matrix: its share of the row, and a word on it."""

    share: float | None
    words: str


class Confusion(NamedTuple):
    """The confusion matrix: cells by row, or, for many classes, a picture."""

    rows: list[list[Cell]]
    picture: str = ""  # an address


class Example(NamedTuple):
    """An image of the validation set with its own mIoU."""

    name: str
    miou: float  # 0..1
    pictures: tuple[str, ...] = ()  # addresses: image, truth, prediction


class Swatch(NamedTuple):
    """A class in the legend of the examples."""

    name: str
    color: str


class Page(NamedTuple):
    """All that is on the page; texts are plain and get escaped."""

    title: str
    subtitle: str
    status: str
    facts: list[Fact]
    curves: list[Curve]
    classes: list[ClassRow]
    confusion: Confusion | None
    best: list[Example]
    worst: list[Example]
    legend: list[Swatch]
    notes: list[str]  # what is missing, and why
    commands: list[tuple[str, str]]  # what it does, what to type
    config: str
    versions: list[tuple[str, str]]
    footer: str


def css_color(color: tuple[int, int, int]) -> str:
    """Returns an RGB colour, 0..255, as CSS writes it."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def render_page(page: Page) -> str:
    """Writes the page as one HTML file that needs nothing else.

    Every text is escaped; the page itself forbids scripts and any address but `data:`.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    return environment.get_template(_TEMPLATE).render(page._asdict()).lstrip()


def percent(value: float | None, missing: str = "–") -> str:
    """Writes a share of 0..1 in percent, with one decimal and without the sign."""
    return missing if value is None else f"{100 * value:.1f}"


def _read(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


WIDTH = 480  # pixels of a picture in the page
_QUALITY = 82  # of JPEG: no artefacts to be seen at a third of the size of 95


def thumbnail_size(height: int, width: int, most: int = WIDTH) -> tuple[int, int]:
    """Returns the (width, height) that an image has in the page; never a larger one."""
    scale = min(1.0, most / width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def jpeg_uri(pixels: np.ndarray) -> str:
    """Returns uint8 RGB (H, W, 3) as a `data:` address of a JPEG."""
    return _uri(pixels, "jpeg", quality=_QUALITY)


def png_uri(pixels: np.ndarray) -> str:
    """Returns uint8 RGB (H, W, 3) as a `data:` address of a PNG."""
    return _uri(pixels, "png", optimize=True)


def _uri(pixels: np.ndarray, kind: str, **options) -> str:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
