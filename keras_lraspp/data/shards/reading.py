"""Opening shards that were written before."""

from pathlib import Path

from keras_lraspp.data.sets.tfds import records_of
from keras_lraspp.data.shards.manifest_file import check_files, read_manifest
from keras_lraspp.data.shards.samples import ShardSamples
from keras_lraspp.errors import InputError


def Shards(  # named as the other data sets are
    root: str | Path | None = None,
    split: str = "train",
    *,
    hosts: int = 1,
    host: int = 0,
    checksums: bool = False,
) -> ShardSamples:
    """Opens a split of what `keras-lraspp data shards` wrote.

    Only what an augmentation looks at is decoded of each image. Names, colours and the
    ignore label are those of the data set that the shards were written from.

    Args:
        root: Folder of the shards, also on a remote disk that TensorFlow knows, as
            `gs://bucket/shards`; `data/shards` if `None`.
        split: Name of the split.
        hosts: Number of machines that train together.
        host: Which of them this one is, from 0. Each has an equal part of the split
            "train" (`tfds.even_splits`; what does not divide evenly is dropped), and
            all of any other.
        checksums: Whether to read all files first and compare their checksums. Their
            sizes always are.

    Returns:
        The samples.

    Raises:
        InputError: If there are no shards or no such split, or files are missing or
            not what was written.
    """
    import tensorflow_datasets as tfds

    folder = "data/shards" if root is None else str(root)  # a Path would eat the //
    manifest = read_manifest(folder)
    if split not in manifest.splits:
        raise InputError(
            f"{folder} has the splits {sorted(manifest.splits)}, not {split!r}; choose "
            "one of them, or write the shards again with it."
        )
    content = manifest.splits[split]
    _check_hosts(hosts, host, len(content))
    check_files(folder, content.files, checksums=checksums)
    chosen, first, count = split, 0, len(content)
    if split == "train" and hosts > 1:
        chosen = tfds.even_splits(split, n=hosts, drop_remainder=True)[host]
        count //= hosts
        first = host * count
    builder = tfds.builder_from_directory(folder)
    lengths = {file.name: file.lengths for file in content.files}
    return ShardSamples(
        name=manifest.name,
        split=split,
        folder=folder,
        classes=manifest.classes,
        ignore_label=manifest.ignore_label,
        records=records_of(builder, chosen, lengths),
        size_table=content.size_table()[first : first + count],
        label_type=manifest.label_type,
        tile=manifest.tile,
        hosts=hosts,
    )


def _check_hosts(hosts: int, host: int, samples: int) -> None:
    if not 1 <= hosts <= samples:
        raise InputError(
            f"Shards.hosts is 1..{samples} for {samples} samples, not {hosts}."
        )
    if not 0 <= host < hosts:
        raise InputError(
            f"Shards.host is 0..{hosts - 1} for Shards.hosts = {hosts}, not {host}."
        )
