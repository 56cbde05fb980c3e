"""The page of the demo in a real browser, beside `predict.py` and NumPy."""

import re
import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from harness.chromium import SegmentingPage, chromium
from harness.image_files import save
from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.trained_like import trained_like
from keras_lraspp.__main__ import main
from keras_lraspp.classes import CLASS_SETS, ClassSet, generic_class_set
from keras_lraspp.demo import site
from keras_lraspp.demo.server import SiteServer
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.palettes import picture_palette

pytestmark = pytest.mark.browser
NAMES = ("road", "car", "sky & cloud", "<b>tree</b>", "person")
CLASSES = ClassSet(NAMES, generic_class_set(5).palette)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def network(folder):
    """A small LRASPP in a .keras file."""
    model = trained_like()
    model.classes = CLASSES
    model.save(folder / "network.keras")
    return folder / "network.keras"


@pytest.fixture(scope="module")
def pixels_onnx(folder):
    """A network whose labels NumPy works out."""
    path = folder / "pixels.onnx"
    export_onnx(pixel_model(), path, classes=CLASSES)
    return path


@pytest.fixture(scope="module")
def page_folder(network, folder):
    """The page as a user writes it: the network exported, its runtime from npm."""
    assert main(["demo", f"--weights={network}", f"--out={folder / 'page'}"]) == 0
    return folder / "page"


@pytest.fixture(scope="module")
def files(page_folder):
    return {
        str(path.relative_to(page_folder)): path
        for path in page_folder.rglob("*")
        if path.is_file()
    }


@contextmanager
def serving(files):
    with SiteServer(files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.address
        server.shutdown()


@pytest.fixture(scope="module")
def address(files):
    with serving(files) as address:
        yield address


@pytest.fixture(scope="module")
def driver(folder):
    with chromium(folder / "profile", folder / "downloads") as driver:
        yield driver


@pytest.fixture
def page(driver, address, folder):
    return SegmentingPage(driver, address, folder / "downloads")


@pytest.fixture
def pixels(page, pixels_onnx):
    """The page with the network that NumPy follows."""
    page.open(pixels_onnx)
    page.wait(lambda: "pixels.onnx" in page.text("network"))
    page.wait_for("Ready\\.")
    return page


def predicted(network, paths, folder):
    """Labels that `predict.py` writes, by the stem of the image."""
    flags = [f"--weights={network}", "--outputs=labels", f"--output_dir={folder}"]
    assert main(["predict", *map(str, paths), *flags]) == 0
    written = folder.rglob("*_labels.png")
    return {
        path.stem.removesuffix("_labels"): np.asarray(Image.open(path))
        for path in written
    }


def pictures(folder, sample):
    turned = Image.Exif()
    turned[0x0112] = 6
    first, second = random_images(97, 131), random_images(120, 88, seed=1)
    return [
        save(folder / "odd.png", first),
        save(folder / "turned.jpg", second, exif=turned, quality=90),
        Path(shutil.copy(sample, folder)),
    ]


@pytest.fixture
def sample(page_folder):
    return page_folder / "sample_1.png"


def test_labels_are_those_of_predict(page, network, sample, folder, tmp_path):
    shares, paths = [], pictures(folder / "pictures", sample)
    predictions = predicted(network, paths, tmp_path)
    for path in paths:
        expected = predictions[path.stem]
        found = page.segment(path)
        assert found.dtype == np.uint8 and found.shape == expected.shape, path
        assert len(np.unique(found)) >= 3, path
        shares.append((found == expected).mean())
    assert min(shares) >= 0.999, shares  # what an export must reach


def test_labels_are_those_of_arithmetic(pixels, tmp_path):
    image = random_images(63, 70, seed=3)
    found = pixels.segment(save(tmp_path / "a.png", image))
    expected = expected_labels(pixel_model(), image)
    assert np.array_equal(found, expected)

    rows = pixels.legend_rows()
    shares = np.bincount(expected.ravel(), minlength=5) / expected.size
    order = [label for label in np.argsort(-shares) if shares[label]]
    assert [*rows] == [NAMES[label] for label in order]  # names are text, not HTML
    for label in order:
        assert rows[NAMES[label]][0] == f"{100 * shares[label]:.1f} %"

    palette = np.array(CLASSES.palette, np.uint8)
    colors = np.dstack([palette[expected], np.full(expected.shape, 255, np.uint8)])
    assert np.array_equal(pixels.canvas("overlay"), colors)
    rows[NAMES[order[0]]][1].click()  # hides it
    colors[expected == order[0]] = 0
    assert np.array_equal(pixels.canvas("overlay"), colors)
    pixels.none.click()
    assert not pixels.canvas("overlay").any()
    pixels.all.click()

    pixels.driver.execute_script(
        "opacity.value = 25; opacity.dispatchEvent(new Event('input'))"
    )
    assert pixels.text("opacity-value") == "25 %"
    assert pixels.overlay.value_of_css_property("opacity") == "0.25"
    saved = np.asarray(Image.open(pixels.saved("save-picture", "a_overlay")))
    mixed = 0.75 * image + 0.25 * palette[expected]
    assert np.abs(saved[..., :3] - mixed).max() <= 2  # as the browser rounds


def test_classes_of_cityscapes_have_the_colours_of_overlays(page, tmp_path):
    model, classes = pixel_model(19), CLASS_SETS["cityscapes"]
    export_onnx(model, tmp_path / "streets.onnx", classes=classes)
    page.open(tmp_path / "streets.onnx")
    page.wait(lambda: "19 classes" in page.text("network"))
    page.wait_for("Ready\\.")
    image = random_images(30, 50)
    found = page.segment(save(tmp_path / "a.png", image))
    expected = expected_labels(model, image)
    assert np.array_equal(found, expected)  # what is saved are labels
    palette = np.array(picture_palette(classes), np.uint8)
    assert np.array_equal(page.canvas("overlay")[..., :3], palette[expected])


def test_labels_of_many_classes_have_16_bits(page, tmp_path):
    model = pixel_model(300)
    kernel, bias = model.get_weights()
    bias[:256] -= 5000
    model.set_weights([kernel, bias])
    path = tmp_path / "many.onnx"
    export_onnx(model, path, classes=generic_class_set(300))
    page.open(path)
    page.wait(lambda: "300 classes" in page.text("network"))
    page.wait_for("Ready\\.")
    image = random_images(30, 50)
    found = page.segment(save(tmp_path / "a.png", image))
    expected = expected_labels(model, image)
    assert found.dtype == np.uint16 and expected.min() > 255
    assert np.array_equal(found, expected)


def test_a_graphics_card_gives_the_same_labels(page, tmp_path):
    """A card that the processor plays: what is wrong on it raises no error."""
    assert "on the processor" in page.text("network")  # where nobody chose
    path = save(tmp_path / "a.png", random_images(65, 98))
    expected = page.segment(path)
    page.choose("engine", "webgpu")
    page.wait(lambda: "on the graphics card" in page.text("network"))
    page.wait_for("^a.png: ")
    found = page.saved("save-labels", "a_labels")
    assert (np.asarray(Image.open(found)) == expected).mean() >= 0.999


def test_a_graphics_card_that_gives_other_labels_is_refused(
    driver, files, pixels_onnx, folder, tmp_path
):
    other = tmp_path / "other.onnx"
    export_onnx(pixel_model(seed=1), other, classes=CLASSES)
    changed = {**files, "model.onnx": pixels_onnx, "model_webgpu.onnx": other}
    with serving(changed) as address:
        page = SegmentingPage(driver, address, folder / "downloads")
        image = random_images(64, 96)
        path = save(tmp_path / "a.png", image)
        expected = expected_labels(pixel_model(), image)
        assert np.array_equal(page.segment(path), expected)
        page.choose("engine", "webgpu")
        page.wait(page.error.is_displayed)
        assert "graphics card gives other labels" in page.text("error")
        assert np.array_equal(page.segment(path), expected)
        driver.get("about:blank")


def test_a_large_picture_is_segmented_smaller_unless_told(pixels, tmp_path):
    image = random_images(15, 20).repeat(100, 0).repeat(100, 1)
    path = save(tmp_path / "large.png", image)
    size = pixels.segment(path).shape
    assert size == (1254, 1672)  # 2 * 2**20 pixels
    pixels.choose("detail", "full")
    pixels.wait(lambda: "2000 × 1500" in pixels.text("timings"))


def test_the_class_under_the_pointer_and_the_cross_hair_is_named(pixels, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    image = random_images(40, 60).repeat(4, 0).repeat(4, 1)
    pixels.segment(save(tmp_path / "a.png", image))
    expected = expected_labels(pixel_model(), image)
    ActionChains(pixels.driver).move_to_element(pixels.frame).perform()
    assert pixels.tag.text == NAMES[expected[80, 120]]

    pixels.driver.execute_script("frame.focus()")
    ActionChains(pixels.driver).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP).perform()
    said = f"{NAMES[expected[int(0.46 * 160), int(0.54 * 240)]]}: 54 % across"
    assert pixels.text("spot").startswith(said)
    assert pixels.tag.text == said.partition(":")[0]


def test_everything_is_reached_by_the_keyboard(pixels, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    pixels.segment(save(tmp_path / "a.png", random_images(40, 60)))
    shown = "b => b.checkVisibility() && !b.disabled"
    parts = "[...document.querySelectorAll('button, input, select, summary, .frame')]"
    wanted = pixels.driver.execute_script(f"return {parts}.filter({shown})")
    pixels.driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    reached = set()
    for _ in range(len(wanted) + 3):
        ActionChains(pixels.driver).send_keys(Keys.TAB).perform()
        reached.add(pixels.driver.switch_to.active_element)
    assert {*wanted} <= reached and len(wanted) >= 15
    unnamed = [part for part in wanted if not part.accessible_name]
    assert not unnamed, [part.get_attribute("outerHTML") for part in unnamed]


def test_faulty_files_are_explained_and_the_page_goes_on(page, tmp_path, sample):
    (tmp_path / "text.png").write_text("no picture")
    whole = sample.read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:1000])
    (tmp_path / "cut.mp4").write_bytes(b"no video" * 99)
    (tmp_path / "text.onnx").write_text("no network")
    assert "text.png is no picture" in page.fails(tmp_path / "text.png")
    assert "cut.png is no picture" in page.fails(tmp_path / "cut.png")
    assert "cut.mp4 is no video" in page.fails(tmp_path / "cut.mp4")
    assert "This is no ONNX file" in page.fails(tmp_path / "text.onnx")
    page.driver.find_element("css selector", "#samples button").click()
    page.wait_for("^sample_1.png: ")


def test_a_picture_below_the_smallest_size_is_refused(page, pixels_onnx, tmp_path):
    proto = onnx.load(pixels_onnx)
    (entry,) = (row for row in proto.metadata_props if row.key == "smallest_side")
    entry.value = "9"
    onnx.save(proto, tmp_path / "nine.onnx")
    page.open(tmp_path / "nine.onnx")
    page.wait(lambda: "nine.onnx" in page.text("network"))
    page.wait_for("Ready\\.")
    said = page.fails(save(tmp_path / "a.png", random_images(8, 20)))
    assert "20 × 8 pixels, and the network takes those of 9 × 9 on" in said


@pytest.mark.parametrize(
    ("outputs", "channels", "sentence"),
    [(["logits"], 3, "from RGB pixels to labels"), (["labels"], 1, "from RGB pixels")],
)
def test_another_network_is_refused(page, tmp_path, outputs, channels, sentence):
    path = tmp_path / "other.onnx"
    model = pixel_model(input_shape=(None, None, channels))
    export_onnx(model, path, outputs=outputs, classes=CLASSES)
    assert sentence in page.fails(path)


def test_the_camera_is_segmented_until_it_is_stopped(pixels):
    pixels.driver.execute_script("detail.value = 'full'")
    pixels.camera.click()
    pixels.wait(lambda: "frames a second" in pixels.text("timings"))
    first = pixels.text("timings")
    pixels.wait(lambda: pixels.text("timings") != first)
    pixels.stop.click()
    assert pixels.text("status") == "Stopped."
    assert pixels.camera.is_displayed() and not pixels.stop.is_displayed()
    frame = pixels.canvas("picture")  # the last one stays
    assert len(np.unique(frame.reshape(-1, 4), axis=0)) > 2
    labels = expected_labels(pixel_model(), frame[..., :3])
    palette = np.array(CLASSES.palette, np.uint8)
    assert np.array_equal(pixels.canvas("overlay")[..., :3], palette[labels])


def test_a_video_is_segmented_frame_by_frame(pixels, tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "a.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=10)
        stream.height, stream.width, stream.pix_fmt = 120, 160, "yuv420p"
        for value in range(0, 250, 10):
            image = np.full((120, 160, 3), value, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    pixels.open(path)
    pixels.wait(lambda: "frames a second" in pixels.text("timings"))
    first = pixels.canvas("picture")[60, 80]
    pixels.wait(lambda: (pixels.canvas("picture")[60, 80] != first).any())
    assert pixels.text("status") == "Segmenting a.webm."
    pixels.stop.click()


def test_nothing_leaves_the_page(page, sample):
    page.segment(sample)
    script = "return performance.getEntriesByType('resource').map(e => e.name)"
    names = page.driver.execute_script(script)
    own = page.driver.execute_script("return location.origin")
    assert len(names) > 10 and all(name.startswith((own, "blob:")) for name in names)

    with SiteServer({"index.html": sample}) as other:
        asked = []
        other.process_request = lambda request, client: asked.append(client)
        threading.Thread(target=other.serve_forever, daemon=True).start()
        ask = f"fetch('{other.address}', {{mode: 'no-cors'}})"
        said = page.driver.execute_async_script(
            f"{ask}.then(() => arguments[0]('sent'), () => arguments[0]('refused'))"
        )
        other.shutdown()
    assert said == "refused" and not asked


def test_a_static_host_without_headers_gives_the_same_on_one_thread(
    driver, page, page_folder, sample, folder
):
    assert re.search(r"\([^)]*\d threads?\)", page.text("network"))
    expected = page.segment(sample)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = partial(Quiet, directory=str(page_folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        alone = SegmentingPage(driver, address, folder / "downloads")
        assert "(WebAssembly, 1 thread)" in alone.text("network")
        assert np.array_equal(alone.segment(sample), expected)
        driver.get("about:blank")
        server.shutdown()


def test_the_export_is_kept(network, monkeypatch):
    kept = site.exported(network)
    monkeypatch.setattr("keras_lraspp.export.export.export", None)
    assert site.exported(network) == kept
