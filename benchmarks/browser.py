"""Times an exported network in headless Chromium, beside ONNX Runtime in Python.

    python benchmarks/browser.py --model=output/exported/model.onnx

In turns, on one thread and on two. Needs Debian's `chromium` and `chromium-driver`, npm
and `pip install selenium`.
"""

import argparse
import contextlib
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from selenium import webdriver

from keras_lraspp.demo import site
from keras_lraspp.demo.server import HEADERS, SiteServer

FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync"""
# Runs a picture of noise several times; answers the milliseconds of each.
SCRIPT = """
const [height, width, runs, done] = arguments;
(async () => {
  const { Network } = await import("/network.js");
  const file = await (await fetch("/model.onnx")).arrayBuffer();
  window.timedNetwork ??= await Network.open(new Uint8Array(file), "wasm");
  const times = [];
  for (let run = 0; run < runs; run++) {
    const image = new ImageData(width, height);
    image.data.forEach((_, place) => (image.data[place] = (place * 2654435761) >>> 24));
    times.push((await timedNetwork.segment(image)).milliseconds);
  }
  return [timedNetwork.threads, times];
})().then(done, (error) => done(String(error)));
"""


@contextlib.contextmanager
def chromium(address: str) -> Iterator[Callable]:
    """Yields a function of height, width and runs: threads, and milliseconds."""
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
            options.add_argument(flag)
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        with webdriver.Chrome(options, service) as driver:
            driver.set_script_timeout(120)
            driver.get(address)

            def run(height: int, width: int, runs: int):
                found = driver.execute_async_script(SCRIPT, height, width, runs)
                if isinstance(found, str):
                    raise RuntimeError(found)
                return found

            yield run


def python_session(model: Path, threads: int) -> Callable:
    """The same of ONNX Runtime in Python."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"]
    )

    def run(height: int, width: int, runs: int):
        image = np.random.default_rng(0).integers(
            0, 256, (1, height, width, 3), "uint8"
        )
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            session.run(["labels"], {"image": image})
            times.append(1e3 * (time.perf_counter() - start))
        return threads, times

    return run


def main() -> None:
    """Prints medians and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    files = {path.name: path for path in (site._WEB / "page").iterdir()}
    files["model.onnx"] = flags.model
    files |= {f"runtime/{path.name}": path for path in site.fetch_runtime()}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(SiteServer(files))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        isolated = stack.enter_context(chromium(server.address))
        print("threads of the page:", isolated(64, 128, 1)[0])
        for name in [name for name in HEADERS if name.startswith("Cross")]:
            del HEADERS[name]  # from here on a page has one thread
        alone = stack.enter_context(chromium(server.address))
        sides = {
            "Python, 1 thread": python_session(flags.model, 1),
            "browser, 1 thread": alone,
            "Python, 2 threads": python_session(flags.model, 2),
            "browser, threads": isolated,
        }
        for height, width, runs in ((256, 512, 8), (512, 1024, 4)):
            times = {side: [] for side in sides}
            for turn in range(flags.rounds + 1):
                for side, run in sides.items():
                    found = run(height, width, runs if turn else 2)[1]
                    times[side] += found if turn else []  # the first is a warm-up
            medians = {side: statistics.median(found) for side, found in times.items()}
            for side, median in medians.items():
                print(f"{height}x{width} {side}: {median:.1f} ms")
        server.shutdown()


if __name__ == "__main__":
    main()
