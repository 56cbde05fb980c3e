"""Page of `keras-lraspp demo`: its files, the network, samples, ONNX Runtime Web."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from keras_lraspp import __version__
from keras_lraspp.demo.server import HEADERS, serve
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import new_folder, put_in_place, replacing, sha256, staging
from keras_lraspp.street_scenes import draw_scene
from keras_lraspp.weights.published import cache_folder, find_variant

_PACKAGE = Path(__file__).parents[1]
_WEB = _PACKAGE / "demo" / "web"  # inside the package in a wheel
if not _WEB.is_dir():
    _WEB = _PACKAGE.parent / "examples" / "web"  # beside it in the tree
# Of the package's dist/: one that calculates on the processor, and one that can on the
# graphics card; the page takes the first where there is no card.
RUNTIME_FILES = (
    "ort.wasm.bundle.min.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.bundle.min.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
_RUNTIME = "onnxruntime-web"
_NPM_SECONDS = 900.0
_SAMPLE_SEEDS = (11, 27, 40)
_SAMPLE_SIZE = (384, 768)


def demo(
    *,
    weights: str | Path,
    classes: str | int | Sequence[str] | None = None,
    runtime: str | Path | None = None,
    output_dir: str | Path | None = None,
    port: int = 0,
    browser: bool = True,
) -> Path | None:
    """Serves a page on this machine that segments in the browser, or writes its folder.

    The network is exported to ONNX once and kept, by the SHA-256 of its weights.

    Args:
        weights: As for `export`, or an exported `.onnx` file from RGB images to labels.
        classes: As for `predict`; an `.onnx` file says its own.
        runtime: Folder with the files of `onnxruntime-web`, its `dist/` or one that
            npm installed it in; `None` to have npm fetch it, once.
        output_dir: Gets the page for a static host, which is then not served; not
            there, or empty.
        port: Of the server; 0 for a free one.
        browser: Whether to open the browser.

    Returns:
        `output_dir`; without one it returns after Ctrl-C.

    Raises:
        InputError: For bad weights or arguments, without npm, or if the port is taken.
        StorageError: If something cannot be fetched or written.
    """
    folder = None if output_dir is None else Path(os.path.expanduser(output_dir))
    if folder is not None and folder.exists():
        if not folder.is_dir() or any(folder.iterdir()):
            raise InputError(f"{folder} is there already; choose another --output_dir.")
    if not 0 <= port <= 65535:
        raise InputError(f"--port is 0 to 65535, not {port}; correct it.")
    given = None if runtime is None else find_runtime(Path(os.path.expanduser(runtime)))
    files = {path.name: path for path in (_WEB / "page").iterdir()}
    files["model.onnx"] = exported(weights, classes)
    files["model_webgpu.onnx"] = _for_webgpu(files["model.onnx"])
    files |= {f"runtime/{path.name}": path for path in given or fetch_runtime()}
    files |= _samples()
    if folder is None:
        serve(files, port, browser, str(weights))
        return None
    _write_site(files, folder)
    return folder


def exported(
    weights: str | Path, classes: str | int | Sequence[str] | None = None
) -> Path:
    """Returns the ONNX file of weights, which is exported if it was not before.

    Raises:
        InputError: As `export` does; or for an ONNX file of another interface.
        StorageError: As `export` does.
    """
    given = Path(os.path.expanduser(weights))
    if given.suffix == ".onnx":
        if classes is not None:
            raise InputError(f"{given} says its own classes; leave out --classes.")
        _check_network(given)
        return given
    known = find_variant(str(weights))
    source = known.published.cached if known and known.published else given
    named = [] if classes is None else [json.dumps(classes)]
    kept = cache_folder() / "demo"

    def place(digest: str) -> Path:
        return kept / "-".join([digest[:16], __version__, *map(_short_digest, named)])

    if source.is_file():
        path = place(sha256(source)) / "model.onnx"
        if path.is_file():
            return path
    from keras_lraspp.export.deploy import deploy_path
    from keras_lraspp.export.export import export

    with staging(kept) as hidden:
        new = hidden / "new"
        export(weights=weights, output_dir=new, formats=["onnx"], classes=classes)
        made = new / "model.onnx"
        _check_network(made)
        facts = json.loads(deploy_path(made).read_text(encoding="utf-8"))
        target = place(facts["weights"]["sha256"])
        put_in_place(new, target)
    return target / "model.onnx"


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _check_network(path: Path) -> None:
    """Raises InputError for an ONNX file that the page cannot run."""
    import onnx

    if not path.is_file():
        raise InputError(f"There is no file {path}; check --weights.")
    try:
        graph = onnx.load(path, load_external_data=False).graph
        shape = graph.input[0].type.tensor_type.shape.dim
        channels = shape[-1].dim_value
    except Exception as error:  # the parser's own, or what a foreign graph lacks
        raise InputError(
            f"{path} is no ONNX file of a network, or it is damaged; export it again."
        ) from error
    outputs = [output.name for output in graph.output]
    if channels != 3 or "labels" not in outputs:
        raise InputError(
            f"The page takes networks from RGB images to labels; {path.name} is from "
            f"{channels} channels to {', '.join(outputs)}."
        )


def _for_webgpu(model: Path) -> Path:
    """Returns the same network as graphics cards run it right."""
    import onnx

    from keras_lraspp.demo.webgpu import with_channels_first

    name = f"webgpu-{sha256(model)[:16]}-{__version__}.onnx"
    path = cache_folder() / "demo" / name
    if not path.is_file():
        with replacing(path) as temporary:
            onnx.save(with_channels_first(onnx.load(model)), temporary)
    return path


def find_runtime(folder: Path) -> list[Path]:
    """Returns the files of ONNX Runtime Web in a folder that the user names.

    Raises:
        InputError: If they are not there.
    """
    places = (folder, folder / "dist", folder / "node_modules" / _RUNTIME / "dist")
    for place in places:
        if all((place / name).is_file() for name in RUNTIME_FILES):
            return [place / name for name in RUNTIME_FILES]
    missing = next(name for name in RUNTIME_FILES if not (folder / name).is_file())
    raise InputError(
        f"{folder} has no {missing}; --runtime is the folder that `npm ci` was run in, "
        f"or the dist/ of {_RUNTIME} {_runtime_version()}."
    )


def fetch_runtime() -> list[Path]:
    """Has npm fetch ONNX Runtime Web, once; npm checks it by the lock file's SHA-512.

    Raises:
        InputError: If there is no npm.
        StorageError: If npm fails.
    """
    version = _runtime_version()
    kept = cache_folder() / f"{_RUNTIME}-{version}"
    if all((kept / name).is_file() for name in RUNTIME_FILES):
        return [kept / name for name in RUNTIME_FILES]
    npm = shutil.which("npm")
    otherwise = (
        f"or get the npm package {_RUNTIME} {version} in another way and name its "
        f"dist/ with --runtime=DIR."
    )
    if npm is None:
        raise InputError(
            f"The page runs on {_RUNTIME}, which npm fetches once, and there is no "
            f"npm; install Node.js, {otherwise}"
        )
    print(f"npm fetches {_RUNTIME} {version}, once.")
    with staging(kept.parent) as hidden:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_WEB / name, hidden / name)
        failure = _run_npm(npm, hidden)
        if failure is not None:
            raise StorageError(
                f"npm cannot fetch {_RUNTIME} ({failure}). Connect this machine once, "
                f"{otherwise}"
            )
        made = hidden / "made"
        made.mkdir()
        for path in find_runtime(hidden):
            path.rename(made / path.name)
        put_in_place(made, kept)
    return [kept / name for name in RUNTIME_FILES]


def _run_npm(npm: str, folder: Path) -> str | None:
    """Installs what the lock file lists; returns what went wrong, in a few words."""
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_NPM_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"it was not done after {_NPM_SECONDS:.0f} seconds"
    if done.returncode == 0:
        return None
    lines = [line.removeprefix("npm error ") for line in done.stderr.splitlines()]
    said = [line for line in lines if line and not line.startswith(("code ", "errno "))]
    text = " ".join((said or ["it says nothing"])[0].split())
    return text[:200]


def _runtime_version() -> str:
    package = json.loads((_WEB / "package.json").read_text(encoding="utf-8"))
    return package["dependencies"][_RUNTIME]


def _samples() -> dict[str, Path]:
    """Draws street scenes to try the page with, once."""
    files = {}
    for number, seed in enumerate(_SAMPLE_SEEDS, 1):
        path = cache_folder() / "demo" / f"scene-{__version__}-{seed}.png"
        if not path.is_file():
            picture = Image.fromarray(draw_scene(seed, *_SAMPLE_SIZE).image)
            with replacing(path) as temporary:
                picture.save(temporary, "PNG")
        files[f"sample_{number}.png"] = path
    return files


def _write_site(files: Mapping[str, Path], folder: Path) -> None:
    """Writes the page as a folder for any static host."""
    with new_folder(folder) as made:
        for name, path in files.items():
            target = made / name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)
        # The form that several static hosts read.
        lines = [f"  {name}: {value}" for name, value in HEADERS.items()]
        (made / "_headers").write_text("\n".join(["/*", *lines, ""]), encoding="utf-8")
