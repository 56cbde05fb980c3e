"""A data set written as shards."""

from collections.abc import Callable, Sequence
from pathlib import Path

from keras_lraspp.data.samples import Samples
from keras_lraspp.data.shards.manifest import Manifest
from keras_lraspp.data.shards.writing import ShardOptions, write_shards
from keras_lraspp.errors import InputError
from keras_lraspp.runs.datasets import open_dataset


def shards(
    *,
    dataset: Callable[..., Samples],
    output_dir: str | Path,
    data_root: str | Path | None = None,
    splits: Sequence[str] = ("train", "val"),
    encoding: str = "png",
    file_format: str = "tfrecord",
    workers: int | None = None,
    progress: bool = True,
) -> Manifest:
    """Writes a data set as shards, and says what they take.

    Args:
        dataset: Called as `dataset(split=..., root=data_root)`; `root` only if given.
        output_dir: The folder to make.
        data_root: Folder of the data set, if not the data set's default.
        splits: The splits to write.
        encoding: `"png"`, which keeps every pixel as it is (images that are JPEG files
            are copied), or `"jpeg"`.
        file_format: `"tfrecord"` or `"array_record"`.
        workers: Samples encoded at a time; `None` for one per processor.
        progress: Whether to show bars with the time left.

    Returns:
        What was written.

    Raises:
        InputError: If the data set cannot be used, or `output_dir` exists or is a URL.
        StorageError: If `output_dir` cannot be written; nothing is left then.
    """
    if "://" in str(output_dir):
        raise InputError(
            f"Shards are written to a disk of this machine, not to {output_dir}; name "
            "a folder, copy it there, and train from the copy."
        )
    output_dir = Path(output_dir).expanduser()
    manifest = write_shards(
        [open_dataset(dataset, data_root, split) for split in splits],
        output_dir,
        ShardOptions(
            encoding=encoding,
            file_format=file_format,
            workers=workers,
            progress=progress,
        ),
    )
    for name, split in manifest.splits.items():
        megabytes = sum(file.bytes for file in split.files) / 1e6
        print(
            f"{name}: {len(split)} samples in {len(split.files)} files, "
            f"{megabytes:.1f} MB"
        )
    print(
        f'train from them with --gin_bindings="DATASET = @Shards" '
        f"--data_root={output_dir}"
    )
    return manifest
