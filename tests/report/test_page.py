"""The page as HTML: everything escaped, nothing fetched, also if little is known."""

from html.parser import HTMLParser

from keras_lraspp.report.page import (
    ClassRow,
    ConfusionCell,
    ConfusionTable,
    Example,
    ExamplePicture,
    KeyFigure,
    LegendEntry,
    Page,
    css_color,
    percent,
    points,
    ranks,
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
            best=[Example(EVIL, EVIL, EVIL, (ExamplePicture(EVIL, "data:,"),) * 2)],
            worst=[Example(EVIL, "")],
            legend_rows=[LegendEntry(EVIL, "#000000")],
            missing=EVIL,
            commands=[(EVIL, EVIL)],
            versions=[(EVIL, EVIL)],
        )
    )
    seen = Seen(page)
    assert "script" not in seen.tags
    # Title (twice), four more fields, a key figure's four, class in table, matrix
    # (twice) and legend, two examples with a score, a note and two captions, a note, a
    # command's two, a version's two.
    assert "".join(seen.text).count(EVIL) == 25
    quoted = [value for name, value in seen.attributes if value and EVIL in value]
    assert len(quoted) == 3  # the cell's title and two pictures' descriptions


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
    values = 0.0123, -0.5, -0.0004, 0.0, None
    assert [*map(points, values)] == ["+1.2", "−50.0", "0.0", "0.0", "–"]


def test_rows_are_ordered_by_any_column_without_a_script():
    ious = [0.5, None, 0.25, 0.5]
    assert ranks(ious) == [2, 4, 1, 3]  # what is 0/0 comes last
    assert ranks(ious, largest_first=True) == [1, 4, 3, 2]
    rows = [
        ClassRow(str(i), "#000000", 0.1 * i, iou, 1, 1) for i, iou in enumerate(ious)
    ]
    attributes = Seen(render_page(EMPTY._replace(classes=rows))).attributes
    styles = [
        value for name, value in attributes if name == "style" and "--iou" in value
    ]
    assert [style.split(";")[0] for style in styles] == [
        "--iou:2",
        "--iou:4",
        "--iou:1",
        "--iou:3",
    ]
    assert [style.split(";")[3] for style in styles] == [
        "--pixels:4",
        "--pixels:3",
        "--pixels:2",
        "--pixels:1",
    ]
    css = render_page(EMPTY)
    for name in ("iou", "precision", "recall", "pixels"):
        assert ("for", f"by-{name}") in attributes and (
            "id",
            f"by-{name}",
        ) in attributes
        assert (
            f"#by-{name}:checked ~ .scroll tbody tr > * {{ order: var(--{name}); }}"
            in css
        )


def test_the_confusion_matrix_leaves_out_what_is_below_one_percent():
    shares = 0.0099, 0.01, 0.614
    cells = [ConfusionCell(share, f"text {share}") for share in shares]
    row = ClassRow("a", "#000000", 1.0, 1.0, 1.0, 1.0)
    seen = Seen(
        render_page(EMPTY._replace(classes=[row], confusion=ConfusionTable([cells])))
    )
    depths = [value for name, value in seen.attributes if value and "--depth" in value]
    assert depths == ["--depth:0.100", "--depth:0.784"]
    assert [text for text in seen.text if text in ("<1", "1", "61")] == ["1", "61"]
    assert ("title", "text 0.0099") in seen.attributes
