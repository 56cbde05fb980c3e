"""Labels the images of a folder or a bucket on a Ray cluster; `--help` lists the flags.

Needs `pip install "ray[data]"`. A picture that cannot be read is a row in the table.
Exit codes: 0; 2 for bad input, also if only some images are bad; 3 for storage and Ray.
"""

import argparse
import contextlib
import hashlib
import io
import json
import logging
import posixpath
import re
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray
import ray.exceptions
from PIL import Image
from pyarrow import dataset, fs
from ray.data import ActorPoolStrategy

from keras_lraspp import Segmenter
from keras_lraspp.errors import InputError, StorageError, UserError

_SUFFIXES = tuple(".bmp .gif .jpeg .jpg .png .ppm .tif .tiff .webp".split())
_READERS = 4  # files of a worker that are read while its network runs
_JOB, _TABLE, _LABELS = "job.json", "table", "labels"
_ROW = pa.schema(
    [
        ("image", pa.string()),
        ("labels", pa.string()),  # the PNG, or null
        ("error", pa.string()),  # the sentence, or null
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("classes", pa.list_(pa.string())),  # that occur, the largest first
        ("shares", pa.list_(pa.float32())),  # of the pixels, 0 to 1
    ]
)


def main() -> int:
    """Labels what is not labelled yet; returns the exit code."""
    flags = _flags()
    try:
        return _run(flags)
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except ray.exceptions.RayError as error:
        # Of a worker's own error only the text is left, with its traceback.
        raised = re.findall(r"^[\w.]*Error: .*", str(error), re.MULTILINE)
        reason = raised[-1] if raised else str(error).strip().partition("\n")[0]
        print(f"Ray ended the job: {reason}", file=sys.stderr)
    except (OSError, pa.ArrowException) as error:
        print(f"Storage ended the job: {error}", file=sys.stderr)
    return StorageError.exit_code


def _run(flags: argparse.Namespace) -> int:
    segmenter = Segmenter(flags.weights)
    if len(segmenter.classes.names) > 256:
        raise InputError("The PNGs of labels have one byte a pixel: 256 classes.")
    source, target = open_root(flags.images), open_root(flags.output)
    if target.base_path.startswith(source.base_path):
        raise InputError(
            f"{flags.output} is inside {flags.images}, so that labels would be taken "
            f"for images; choose another output."
        )
    names = list_images(source)
    if not names:
        raise InputError(f"{flags.images} has no images ({', '.join(_SUFFIXES)}).")
    _keep_job(target, flags)
    done = _done(target, with_errors=not flags.retry)
    todo = [name for name in names if name not in done]
    print(f"{len(names)} images, {len(names) - len(todo)} done before")
    if todo:
        _connect(flags)
        start = time.perf_counter()
        _label_all(segmenter, source, target, todo, flags)
        seconds = time.perf_counter() - start
        rate = len(todo) / seconds
        print(f"{len(todo)} images in {seconds:.0f} s, {rate:.2f} a second")
    bad = len(names) - len(set(names) & _done(target, with_errors=False))
    print(f"{bad} of {len(names)} could not be labelled; see {flags.output}/{_TABLE}")
    return InputError.exit_code if bad else 0


def _label_all(
    segmenter: Segmenter,
    source: fs.SubTreeFileSystem,
    target: fs.SubTreeFileSystem,
    names: list[str],
    flags: argparse.Namespace,
) -> None:
    """Runs the job, a block of images at a time in each worker."""
    size = min(flags.block, -(-len(names) // flags.workers))
    starts = range(0, len(names), size)
    blocks = [pa.table({"image": names[at : at + size]}) for at in starts]
    images = ray.data.from_arrow(blocks)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = sys.stderr.isatty()
    if not sys.stderr.isatty():  # nine lines each ten seconds
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    # In a list, as Ray would put its value in its place: for a worker that is started
    # in place of a lost one, the value must still be there.
    shared = ray.put(segmenter)
    images.map_batches(
        ImageLabeler,
        fn_constructor_args=([shared], source, target),
        batch_format="pyarrow",
        batch_size=None,
        num_cpus=flags.cpus,
        num_gpus=flags.gpus,
        compute=ActorPoolStrategy(size=flags.workers),
    ).materialize()


class ImageLabeler:
    """The actor: reads, labels and writes image after image.

    Args:
        segmenter: A list of one reference to the `Segmenter`, so that its weights are
            needed only where the job is started.
        source: Where the images are.
        target: Where the labels go.
    """

    def __init__(
        self,
        segmenter: list[ray.ObjectRef],
        source: fs.SubTreeFileSystem,
        target: fs.SubTreeFileSystem,
    ):
        """Starts the threads that read."""
        self._segmenter: Segmenter = ray.get(segmenter[0])
        self._source, self._target = source, target
        self._readers = ThreadPoolExecutor(_READERS)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Labels the images that a table names; writes and returns a row for each.

        The rows are written here, not by Ray, so that their file is there whole as
        soon as its images are done, or not at all.
        """
        names = batch["image"].to_pylist()
        contents = self._readers.map(self._read, names)
        rows = [self._label(*pair) for pair in zip(names, contents, strict=True)]
        table = pa.Table.from_pylist(rows, _ROW)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        path = f"{_TABLE}/{time.time_ns()}-{uuid.uuid4().hex[:8]}.parquet"
        write_whole(self._target, path, sink.getvalue())
        return table.select(["image"])

    def _read(self, name: str) -> bytes | OSError:
        try:
            with self._source.open_input_stream(name) as stream:
                return stream.read()
        except OSError as error:
            return error

    def _label(self, name: str, content: bytes | OSError) -> dict:
        try:
            if isinstance(content, OSError):
                raise content
            result = self._segmenter.predict(_named(content, name))
        except (UserError, OSError, MemoryError) as error:
            return {"image": name, "error": f"{error}" or type(error).__name__}
        path = f"{_LABELS}/{name}.png"  # a.jpg.png: there may be an a.png, too
        png = io.BytesIO()
        Image.fromarray(result.labels.astype(np.uint8)).save(png, "PNG")
        write_whole(self._target, path, png.getvalue())
        height, width = result.labels.shape
        return {
            "image": name,
            "labels": path,
            "height": height,
            "width": width,
            "classes": [row.name for row in result.classes],
            "shares": [row.share for row in result.classes],
        }


def _named(content: bytes, name: str) -> io.BytesIO:
    """Returns an open file, which error sentences call by its name."""
    stream = io.BytesIO(content)
    stream.name = name
    return stream


def open_root(address: str) -> fs.SubTreeFileSystem:
    """Returns the file system below a folder or an address as s3://bucket/folder."""
    if "://" not in address:
        address = str(Path(address).expanduser().absolute())
    try:
        base, root = fs.FileSystem.from_uri(address)
    except pa.ArrowInvalid as error:
        raise InputError(f"{address} is no folder and no bucket: {error}") from error
    return fs.SubTreeFileSystem(root.rstrip("/"), base)


def list_images(source: fs.SubTreeFileSystem) -> list[str]:
    """Returns the names of all images at and below a root, sorted; none are hidden."""
    root = source.base_path.rstrip("/")
    found = source.base_fs.get_file_info(fs.FileSelector(root, recursive=True))
    names = (i.path[len(root) + 1 :] for i in found if i.type == fs.FileType.File)
    return sorted(
        name
        for name in names
        if name.lower().endswith(_SUFFIXES)
        and not any(part.startswith(".") for part in name.split("/"))
    )


def write_whole(target: fs.SubTreeFileSystem, path: str, content: bytes) -> None:
    """Writes a file that is there whole or not at all; a bucket's always are."""
    if isinstance(target.base_fs, (fs.S3FileSystem, fs.GcsFileSystem)):
        with target.open_output_stream(path) as stream:
            stream.write(content)
        return
    folder = posixpath.dirname(f"{target.base_path}{path}")
    target.base_fs.create_dir(folder, recursive=True)
    temporary = f"{path}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        with target.open_output_stream(temporary) as stream:
            stream.write(content)
        target.move(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            target.delete_file(temporary)
        raise


def _done(target: fs.SubTreeFileSystem, *, with_errors: bool) -> set[str]:
    """Returns the images that have labels, or a row that says why not."""
    if target.get_file_info(_TABLE).type == fs.FileType.NotFound:
        return set()
    rows = dataset.dataset(_TABLE, _ROW, "parquet", filesystem=target)
    labelled = None if with_errors else pc.field("error").is_null()
    return set(rows.to_table(["image"], filter=labelled)["image"].to_pylist())


def _keep_job(target: fs.SubTreeFileSystem, flags: argparse.Namespace) -> None:
    """Refuses to mix two jobs in one folder: other images, or other weights."""
    job = {"images": flags.images, "weights": _identity(flags.weights)}
    if target.get_file_info(_JOB).type == fs.FileType.NotFound:
        write_whole(target, _JOB, json.dumps(job, indent=2).encode())
        return
    with target.open_input_stream(_JOB) as stream:
        before = json.loads(stream.read())
    for what, value in job.items():
        if before.get(what) != value:
            raise InputError(
                f"{flags.output} holds labels of other {what}, {before.get(what)}; "
                f"choose another output."
            )


def _identity(weights: str) -> str:
    """Returns the digest of a file or an export's folder, or the name of a preset."""
    path = Path(weights)
    if not path.exists():
        return weights
    files = sorted(item for item in path.rglob("*") if item.is_file()) or [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _connect(flags: argparse.Namespace) -> None:
    """Joins the cluster at --address, or starts Ray on this machine."""
    threads = {"TF_NUM_INTRAOP_THREADS": str(max(1, int(flags.cpus)))}
    ray.init(
        address=flags.address,
        runtime_env={"env_vars": {**threads, "KERAS_BACKEND": keras.config.backend()}},
        log_to_driver=False,
    )


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", help="a folder, or s3://BUCKET/FOLDER, gs://...")
    parser.add_argument("output", help="a folder or bucket that all workers can write")
    parser.add_argument("--weights", required=True, help="what Segmenter takes")
    parser.add_argument("--address", help="of the cluster, or auto; none: this machine")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--cpus", type=float, default=1, help="of each worker")
    parser.add_argument("--gpus", type=float, default=0, help="of each worker")
    parser.add_argument("--block", type=int, default=64, help="images at a time")
    parser.add_argument(
        "--retry", action="store_true", help="images that had an error, too"
    )
    flags = parser.parse_args()
    if flags.workers < 1 or flags.block < 1 or flags.cpus <= 0 or flags.gpus < 0:
        parser.error("--workers, --block and --cpus are more than 0.")
    return flags


if __name__ == "__main__":
    sys.exit(main())
