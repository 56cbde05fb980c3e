"""Run record: data, network and start of a training, as `run.json`."""

import dataclasses
import json
import math
import warnings
from datetime import datetime
from pathlib import Path

import keras

from keras_lraspp.data.dataset import Dataset, SegmentationDataset, channels_of
from keras_lraspp.data.shards.reader import ShardSamples
from keras_lraspp.errors import InputError
from keras_lraspp.files import write_text
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.models.summary import at_size, multiply_adds
from keras_lraspp.schema import Count, Index, Name, read_json

RUN_RECORD = "run.json"  # in the folder of a run


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Facts of a run that its report needs beside the log and the best model."""

    started: Name  # ISO 8601; a resume keeps it
    iterations: Count  # of the whole training
    batch_size: Count  # over all devices
    training_images: Count
    parameters: Index  # trainable ones
    image_size: tuple[Count, Count]  # height and width of the first validation image
    multiply_adds: int | None  # for that image; `None` if they cannot be counted
    data_root: str | None  # as it was given; `None` for the default
    validation: Dataset  # records of shards and of TensorFlow Datasets by name
    shards: str | None = None  # the folder, if it was evaluated from shards


def record_run(
    network: keras.Model,
    training_set: SegmentationDataset,
    validation_set: SegmentationDataset,
    *,
    iterations: int,
    batch_size: int,
    data_root: str | Path | None,
) -> RunRecord:
    """Records a run that begins now; see `RunRecord` for the arguments."""
    size = validation_set.size(0)
    return RunRecord(
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        iterations=iterations,
        batch_size=batch_size,
        training_images=len(training_set),
        parameters=sum(math.prod(v.shape) for v in network.trainable_variables),
        image_size=size,
        multiply_adds=_multiply_adds(network, size),
        data_root=None if data_root is None else str(data_root),
        validation=_as_dataset(validation_set),
        shards=_shards_of(validation_set),
    )


def write_run_record(record: RunRecord, path: Path, *, resumed: bool) -> None:
    """Writes the record as JSON, crash-safely; a resumed run keeps its start."""
    before = read_run_record(path) if resumed else None
    if before is not None:
        record = dataclasses.replace(record, started=before.started)
    fields = {**vars(record), "validation": _as_json(record.validation)}
    # default: somebody's own data set may hold integers of NumPy.
    write_text(path, json.dumps(fields, indent=1, default=int) + "\n")


def read_run_record(path: Path) -> RunRecord | None:
    """Reads what `write_run_record` wrote; `None` if it is missing or damaged.

    Of a damaged one there is a warning: what reads a record can do without.
    """
    if not path.exists():
        return None
    mend = "delete the file, or get it again"
    try:
        record = read_json(path, RunRecord, mend=mend)
    except InputError as error:
        warnings.warn(f"Going on without the run's record: {error}", stacklevel=1)
        return None
    files = record.validation
    validation = dataclasses.replace(
        files,
        images=tuple(files.root / name for name in files.images),
        labels=tuple(files.root / name for name in files.labels),
    )
    return dataclasses.replace(record, validation=validation)


def _as_dataset(samples: SegmentationDataset) -> Dataset:
    if isinstance(samples, Dataset):
        return samples
    names = tuple(Path(samples.source(index)) for index in range(len(samples)))
    return Dataset(
        name=samples.name,
        root=samples.root,
        split=samples.split,
        images=names,
        labels=names,
        classes=samples.classes,
        ignore_label=samples.ignore_label,
        channels=channels_of(samples),
    )


def _shards_of(samples: SegmentationDataset) -> str | None:
    if not isinstance(samples, ShardSamples):
        return None
    # The report may be made from another folder than the run; a URL has none.
    return samples.folder if "://" in samples.folder else str(samples.root.absolute())


def _as_json(dataset: Dataset) -> dict:
    """Lists a data set; its files relative to its folder, which may be moved."""
    root = dataset.root.absolute()

    def relative(path: Path) -> str:
        path = path.absolute()
        return (
            path.relative_to(root) if path.is_relative_to(root) else path
        ).as_posix()

    return {
        **vars(dataset),
        "root": str(root),
        "images": [*map(relative, dataset.images)],
        "labels": [*map(relative, dataset.labels)],
        "classes": dataset.classes._asdict(),
    }


def _multiply_adds(network: keras.Model, size: tuple[int, int]) -> int | None:
    if not isinstance(network, LRASPP):
        return None
    try:
        return multiply_adds(at_size(network, *size))
    except ValueError:  # an image below the network's smallest side
        return None
