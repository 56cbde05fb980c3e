"""The page of `keras-lraspp demo` in headless Chromium, as a visitor uses it."""

import base64
import io
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

SECONDS = 60
# A camera and a graphics card that the processor plays.
FLAGS = """--headless=new --no-sandbox --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync
--enable-unsafe-webgpu --use-webgpu-adapter=swiftshader --enable-features=Vulkan
--use-fake-device-for-media-stream --use-fake-ui-for-media-stream"""


@contextmanager
def chromium(profile: Path, downloads: Path) -> Iterator:
    """Yields selenium's driver of Debian's Chromium."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    options.add_argument("--window-size=1280,900")
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(downloads)}
    )
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with webdriver.Chrome(options, service) as driver:
        driver.set_script_timeout(SECONDS)
        yield driver


class SegmentingPage:
    """The page, opened; its elements by their ids."""

    def __init__(self, driver, address, downloads):
        self.driver = driver
        self.downloads = downloads
        driver.get(address)
        self.wait_for("Ready\\.")

    def __getattr__(self, name):
        return self.driver.find_element("id", name.replace("_", "-"))

    def text(self, name):
        return self.driver.find_element("id", name).get_attribute("textContent")

    def wait(self, done):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, SECONDS, 0.02).until(lambda _: done())

    def wait_for(self, pattern):
        """Waits until the status has this; raises the page's error."""

        def done():
            assert not self.error.is_displayed(), self.text("error")
            return re.search(pattern, self.text("status"))

        self.wait(done)

    def open(self, path):
        self.file.send_keys(str(path))

    def segment(self, path):
        """Opens a picture and saves its labels; returns what the PNG holds."""
        self.open(path)
        self.wait_for(f"^{re.escape(path.name)}: ")
        return np.asarray(Image.open(self.saved("save-labels", f"{path.stem}_labels")))

    def choose(self, name, value):
        """Chooses a setting."""
        self.driver.find_element("css selector", "summary").click()
        part = self.driver.find_element("id", name)
        part.find_element("css selector", f"[value='{value}']").click()

    def saved(self, button, stem):
        target = self.downloads / f"{stem}.png"
        target.unlink(missing_ok=True)
        self.driver.find_element("id", button).click()
        self.wait(target.is_file)
        return target

    def fails(self, path):
        self.open(path)
        self.wait(self.error.is_displayed)
        return self.text("error")

    def legend_rows(self):
        rows = self.driver.find_elements("css selector", "#legend li")
        return {
            row.find_element("class name", "name").text: (
                row.find_element("class name", "share").text,
                row.find_element("tag name", "input"),
            )
            for row in rows
        }

    def canvas(self, name):
        """Pixels of a canvas, RGBA."""
        address = self.driver.execute_script(f"return {name}.toDataURL()")
        content = base64.b64decode(address.partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))
