"""The page as HTML: everything escaped, nothing fetched, also if little is known."""

from html.parser import HTMLParser

from keras_lraspp.report.page import (
    ClassRow,
    ConfusionCell,
    ConfusionTable,
    Example,
    KeyFigure,
    LegendEntry,
    Page,
    css_color,
    percent,
    render_page,
)

EVIL = "<script>alert('\"1\"')</script>&amp;"
EMPTY = Page(*["", "", "", [], [], [], None, [], [], [], "", [], "", [], ""])


class Seen(HTMLParser):
    """Collects tags and attributes as a browser would see them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def test_every_text_is_escaped():
    fields = {
        name: EVIL for name in ("title", "subtitle", "status", "config", "footer")
    }
    row = ClassRow(EVIL, css_color((1, 2, 255)), 0.5, None, None, 0.25)
    page = render_page(
        EMPTY._replace(
            **fields,
            key_figures=[KeyFigure(EVIL, EVIL, EVIL, EVIL)],
            classes=[row],
            confusion=ConfusionTable([[ConfusionCell(0.5, EVIL)]]),
            best=[Example(EVIL, 0.5, ("data:,",) * 3)],
            worst=[Example(EVIL, 0.5)],
            legend=[LegendEntry(EVIL, "#000000")],
            missing=EVIL,
            commands=[(EVIL, EVIL)],
            versions=[(EVIL, EVIL)],
        )
    )
    seen = Seen(page)
    assert "script" not in seen.tags
    # Title (twice), four more fields, a key figure's four, class in table, matrix
    # (twice) and legend, two examples, a note, a command's two, a version's two.
    assert "".join(seen.text).count(EVIL) == 21
    quoted = [value for name, value in seen.attributes if value and EVIL in value]
    assert len(quoted) == 4  # the cell's title and three pictures' descriptions


def test_a_page_of_nothing_has_no_empty_sections():
    seen = Seen(render_page(EMPTY._replace(title="t")))
    assert "h2" not in seen.tags and "table" not in seen.tags
    rules = dict(seen.attributes)["content"]
    assert ("http-equiv", "Content-Security-Policy") in seen.attributes
    assert "default-src 'none'" in render_page(EMPTY) and rules


def test_numbers_of_zero_by_zero():
    row = ClassRow("gone", "#000000", 0.0, None, None, None)
    confusion = ConfusionTable([[ConfusionCell(None, "")]])
    page = render_page(EMPTY._replace(classes=[row], confusion=confusion))
    assert "absent" in Seen(page).text
    assert ("class", "none") in Seen(page).attributes
    assert percent(0.12345) == "12.3" and percent(None) == "–"
