"""The file in a folder of shards that says what else is there."""

import hashlib
import json
from collections.abc import Sequence

import tensorflow as tf

from keras_lraspp.classes import ClassSet
from keras_lraspp.data.shards.manifest import Manifest, ShardFile, ShardSplit, SizeRun
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.errors import InputError, abbreviate

FILE_NAME = "shards.json"
_FORMAT = 1


def to_json(manifest: Manifest) -> str:
    """The manifest as the text of `shards.json`."""
    classes = zip(manifest.classes.names, manifest.classes.palette, strict=True)
    return json.dumps(
        {
            "format": _FORMAT,
            "name": manifest.name,
            "classes": [{"name": name, "color": color} for name, color in classes],
            "ignore_label": manifest.ignore_label,
            "label_type": manifest.label_type,
            "encoding": manifest.encoding,
            "tile": manifest.tile,
            "splits": {
                name: {
                    "files": [file._asdict() for file in split.files],
                    "sizes": split.sizes,
                }
                for name, split in manifest.splits.items()
            },
        },
        indent=1,
    )


def read_manifest(folder: str) -> Manifest:
    """Reads `shards.json`.

    Args:
        folder: Any that TensorFlow reads, as `gs://bucket/shards`.

    Returns:
        What should be in the folder.

    Raises:
        InputError: If it is not there, or not what `to_json` writes.
    """
    path = f"{folder}/{FILE_NAME}"
    try:
        with tf.io.gfile.GFile(path) as file:
            content = json.loads(file.read())
        written = content["format"]
        manifest = _manifest(content) if written == _FORMAT else None
    except (OSError, tf.errors.OpError) as error:
        reason = str(getattr(error, "message", error)).rpartition("; ")[2]
        raise InputError(
            f"Cannot read {path}: {reason}; name a folder that `keras-lraspp "
            "data shards` wrote with --data_root, or Shards.root."
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is damaged ({error}); write the shards again."
        ) from error
    if manifest is None:
        raise InputError(
            f"{path} has the format {written!r}, but this version reads {_FORMAT}; "
            f"write the shards again."
        )
    return manifest


def _manifest(content: dict) -> Manifest:
    return Manifest(
        name=content["name"],
        classes=ClassSet(
            tuple(row["name"] for row in content["classes"]),
            tuple(tuple(row["color"]) for row in content["classes"]),
        ),
        ignore_label=content["ignore_label"],
        label_type=content["label_type"],
        encoding=content["encoding"],
        tile=TileSize(*content["tile"]),
        splits={
            name: ShardSplit(
                tuple(
                    ShardFile(**{**file, "lengths": tuple(file["lengths"])})
                    for file in split["files"]
                ),
                tuple(SizeRun(*run) for run in split["sizes"]),
            )
            for name, split in content["splits"].items()
        },
    )


def check_files(folder: str, files: Sequence[ShardFile], *, checksums: bool) -> None:
    """Compares files with what they should be.

    Args:
        folder: Where they are.
        files: What they should be.
        checksums: Whether to read them; else only their sizes are compared.

    Raises:
        InputError: If one is missing or differs.
    """
    wrong = [
        file.name
        for file in files
        if _bytes_of(f"{folder}/{file.name}") != file.bytes
        or (checksums and sha256(f"{folder}/{file.name}") != file.sha256)
    ]
    if wrong:
        raise InputError(
            f"{len(wrong)} of {len(files)} files in {folder} are missing or not what "
            f"was written: {abbreviate(wrong)}; copy them again, or write the shards "
            "again."
        )


def _bytes_of(path: str) -> int | None:
    try:
        return tf.io.gfile.GFile(path, "rb").size()
    except tf.errors.OpError:
        return None


def sha256(path: str) -> str:
    """A file's checksum."""
    digest = hashlib.sha256()
    with tf.io.gfile.GFile(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
