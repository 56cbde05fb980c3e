"""TensorFlow Datasets: any data set of TFDS that has images and segmentations."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import numpy as np

from keras_lraspp.data.dataset import check_orientation
from keras_lraspp.data.decode import check_label, load_image, load_label
from keras_lraspp.data.label_spec import (
    LabelSpec,
    classes_of_colors,
    classes_of_values,
    read_label_spec,
)
from keras_lraspp.data.tfrecord import Shard, TfrecordFiles
from keras_lraspp.errors import InputError, naming_packages
from keras_lraspp.files import check_regular
from keras_lraspp.images import (
    EncodedImage,
    image_orientation,
    image_size,
    read_image,
)
from keras_lraspp.schema import Bounds, Channels, Count, Label, check_call


class TfdsSet(NamedTuple):
    """Defaults of `TFDS` arguments of the same names, for one data set."""

    image: str = "image"
    label: str | None = None
    classes: str | Sequence[str] | None = None
    num_classes: int | None = None
    label_lookup: str | Mapping[int, int] | None = None
    label_channel: int | None = None
    val_split: str | None = None


TFDS_SETS: dict[str, TfdsSet] = {
    "cityscapes": TfdsSet(
        image="image_left",
        label="segmentation_label",
        classes="cityscapes",
        label_lookup="cityscapes",
        val_split="validation",
    ),
    "oxford_iiit_pet": TfdsSet(
        label="segmentation_mask",
        classes=("pet", "background", "border"),
        label_lookup={1: 0, 2: 1, 3: 2},
        val_split="test",
    ),
    # Of ADE20K's annotations TFDS has those of the instance challenge: 100 categories
    # in the red channel, the instances in the green one.
    "scene_parse150": TfdsSet(
        label="annotation",
        num_classes=100,
        label_lookup={value: value - 1 for value in range(1, 101)},
        label_channel=0,
        val_split="test",
    ),
}


@naming_packages("A data set of TensorFlow Datasets")
def TFDS(  # named as the package is
    root: str | Path | None = None,
    split: str = "train",
    *,
    name: str,
    image: str | None = None,
    label: str | None = None,
    num_classes: Count | None = None,
    classes: str | Sequence[str] | None = None,
    ignore_label: Label | None = 255,
    label_lookup: str | Mapping[int, int] | Sequence[int] | None = None,
    color_map: Sequence[Sequence[int]] | None = None,
    label_channel: Annotated[int, Bounds(0, 3)] | None = None,
    orientation: str = "warn",
    channels: Channels = 3,
    train_split: str = "train",
    val_split: str | None = None,
    download: bool = True,
    file_format: str | None = None,
) -> "TfdsSamples":
    """Opens a split of a data set that TensorFlow Datasets knows, by its name.

    Records are read by number, so the order and resuming are as exact as with files:
    ArrayRecord files can do that, TFRecord files by an index that is made when they
    are first read. The arguments of `TFDS_SETS` (cityscapes, oxford_iiit_pet,
    scene_parse150) have defaults.

    Args:
        root: TFDS's `data_dir`; its own default, `~/tensorflow_datasets`, if `None`.
        split: `"train"` and `"val"` mean `train_split` and `val_split`; any other is
            TFDS's own, as `"test"` or `"train[:10%]"`.
        name: As in `tfds.builder`, with configuration and version where wanted:
            `"cityscapes/semantic_segmentation"`.
        image: Feature with the image.
        label: Feature with the class of each pixel.
        num_classes: Number of classes; may be left to `classes`, or to a label that is
            a `LabeledImage`.
        classes: As in `FileList`.
        ignore_label: Label of pixels that count nowhere, or `None`.
        label_lookup: As in `FileList`.
        color_map: As in `FileList`.
        label_channel: The channel of the label that holds the classes, if it has
            several.
        orientation: As in `FileList`.
        channels: Number of channels of the images: 3 for RGB, 1 for grey, 4 for RGBA.
        train_split: What to train on, as `"train[:90%]"`.
        val_split: What to validate on; `None` for "validation", or "test".
        download: Whether to download and prepare what is not there.
        file_format: As in `tfds.builder`: `"array_record"` or `"tfrecord"`.

    Returns:
        The samples.

    Raises:
        InputError: If there is no such data set, feature or split, or it cannot be
            prepared.
    """
    check_call("TFDS", TFDS, locals())
    check_orientation(orientation)
    builder = _builder(name, root, file_format, download)
    known = TFDS_SETS.get(builder.name, TfdsSet())
    image, label = image or known.image, label or known.label
    features = builder.info.features
    _check_features(name, features, image, label)
    if color_map is None:  # else colours decide
        label_lookup = known.label_lookup if label_lookup is None else label_lookup
        label_channel = known.label_channel if label_channel is None else label_channel
    elif label_channel is not None:
        raise InputError(
            "TFDS.color_map reads the colours of labels and TFDS.label_channel one of "
            "their channels; leave out one of them."
        )
    if num_classes is None and classes is None:
        names = getattr(features[label], "names", None)
        num_classes, classes = known.num_classes, known.classes or names
    spec = read_label_spec(
        "TFDS",
        num_classes=num_classes,
        classes=classes,
        ignore_label=ignore_label,
        label_lookup=label_lookup,
        color_map=color_map,
    )
    tfds_split = _tfds_split(split, builder, train_split, val_split or known.val_split)
    return TfdsSamples(
        name=builder.name,
        split=split,
        root=Path(builder.data_dir),
        records=_open_records(builder, tfds_split),
        features=_partial_features(features, image, label),
        image=image,
        label=label,
        label_channel=label_channel,
        orientation=orientation,
        channels=channels,
        **vars(spec),
    )


def _builder(name: str, root: str | Path | None, file_format, download: bool):
    import tensorflow_datasets as tfds

    folder = "TFDS's own folder" if root is None else root
    options = {"data_dir": root and str(root), "file_format": file_format}
    options = {key: value for key, value in options.items() if value is not None}
    try:
        if root is not None and "://" not in str(root):
            for note in Path(root, re.split("[/:]", name)[0]).rglob("*.json"):
                check_regular(note)
        with _features_of_tfds():
            builder = tfds.builder(name, **options)
    except Exception as error:  # which one depends on what is wrong with the name
        raise InputError(
            f"TFDS cannot open {name!r} in {folder}: {_first_line(error)}; correct "
            "TFDS.name, or --data_root."
        ) from error
    if not download:
        if not builder.is_prepared():
            raise InputError(
                f"{name} is not prepared in {folder}; set TFDS.download = True, or "
                "name another folder with --data_root."
            )
        return builder
    try:
        builder.download_and_prepare()
    except Exception as error:  # the network's, the disk's, or files to get by hand
        raise InputError(
            f"TFDS cannot prepare {name} in {folder}: {error}; follow its instructions "
            f"at https://www.tensorflow.org/datasets/catalog/{builder.name}."
        ) from error
    return builder


@contextlib.contextmanager
def _features_of_tfds() -> Iterator[None]:
    """Refuses features that are not TFDS's own.

    A prepared folder names the classes of its features, and TFDS imports whatever
    modules they are said to be in.
    """
    import tensorflow_datasets as tfds

    connector = tfds.features.FeatureConnector
    usual = vars(connector)["cls_from_name"]

    def find(cls, name: str):
        if not name.startswith("tensorflow_datasets.core.features."):
            raise ValueError(
                f"its features.json names {name[:100]!r}, which is no feature of TFDS"
            )
        return usual.__get__(None, cls)(name)

    connector.cls_from_name = classmethod(find)
    try:
        yield
    finally:
        connector.cls_from_name = usual


def _check_features(name: str, features, image: str, label: str | None) -> None:
    import tensorflow_datasets as tfds

    for argument, feature in (("image", image), ("label", label)):
        if feature not in features:
            raise InputError(
                f"{name} has the features {sorted(features)}, not {feature!r}; set "
                f"TFDS.{argument} to one of them."
            )
    if not isinstance(features[image], tfds.features.Image):
        raise InputError(
            f"The feature {image!r} of {name} is {features[image]}, not an image; set "
            "TFDS.image to another."
        )


def _tfds_split(split: str, builder, train_split: str, val_split: str | None) -> str:
    """TFDS's name of a split."""
    if split == "train":
        return train_split
    if split != "val":
        return split
    if val_split:
        return val_split
    for name in ("validation", "test"):
        if name in builder.info.splits:
            return name
    raise InputError(
        f"{builder.name} has the splits {sorted(builder.info.splits)}; say what to "
        'validate on with TFDS.val_split, as "train[90%:]".'
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RecordSamples(LabelSpec):
    """Base of `SegmentationDataset`s whose samples are records, read by number.

    Attributes:
        name: Name of the data set.
        split: Name of the split.
        records: Serialized examples by number.
        indices: Numbers of the records; `None` for all.
        channels: Number of channels of the images.
    """

    name: str
    split: str
    records: Sequence[bytes]
    indices: tuple[int, ...] | None = None
    channels: int = 3

    labelled = True

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.records if self.indices is None else self.indices)

    def source(self, index: int) -> str:
        """The file and place of a record, or the data set and its number."""
        record = self._record(index)
        if isinstance(self.records, TfrecordFiles):
            return self.records.source(record)
        return f"{self._origin} {self.split} record {record}"

    def select(self, indices: Sequence[int]) -> Self:
        """The same data set with these samples only, in this order."""
        chosen = tuple(self._record(index) for index in indices)
        return dataclasses.replace(self, indices=chosen)

    @property
    def _origin(self) -> str:
        return self.name

    def _record(self, index: int) -> int:
        return index if self.indices is None else self.indices[index]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TfdsSamples(RecordSamples):
    """A `SegmentationDataset` of the records that TFDS has prepared.

    Encoded images are decoded here, not by TFDS: palette and 16-bit labels stay what
    they are, and what is wrong is named.

    Attributes:
        root: Folder of the prepared data set.
        features: `tfds.features.FeaturesDict` of the image and the label.
        image: Name of the image's feature, a `tfds.features.Image`.
        label: Name of the label's feature.
        label_channel: The channel of the label that holds the classes; `None` for
            labels of one channel.
        orientation: As in `Dataset`.
    """

    root: Path
    features: Any
    image: str
    label: str
    label_channel: int | None = None
    orientation: str = "warn"

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a sample; see `SegmentationDataset.load`."""
        image, label = self._read_parts(index)
        upright = self.orientation == "upright"
        pixels = load_image(image, upright=upright, channels=self.channels)
        where = f"{self.source(index)} {self.label}"
        values = self._read_classes(label, where)
        size = tuple(pixels.shape[:2])
        return pixels, check_label(values, size, image, where, self)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image."""
        image, _ = self._read_parts(index)
        return image_size(image, upright=self.orientation == "upright")

    def image_orientation(self, index: int) -> int:
        """EXIF orientation of an image, from its header; 1 is upright."""
        return image_orientation(self._read_parts(index)[0])

    def _read_parts(self, index: int) -> list[EncodedImage | np.ndarray]:
        """The encoded image and the label, encoded if TFDS keeps it so."""
        import tensorflow_datasets as tfds

        source, names = self.source(index), (self.image, self.label)
        skip = {
            name: tfds.decode.SkipDecoding()
            for name in names
            if isinstance(self.features[name], tfds.features.Image)
        }
        try:
            example = self.features.deserialize_example_np(
                self.records[self._record(index)], decoders=skip
            )
        except InputError:
            raise
        except Exception as error:  # which one depends on the damage
            raise InputError(
                f"{source} is damaged ({error}); prepare the data set again."
            ) from error
        return [
            EncodedImage(f"{source} {name}", bytes(example[name]))
            if name in skip
            else np.asarray(example[name])
            for name in names
        ]

    def _read_classes(self, label: EncodedImage | np.ndarray, where: str) -> np.ndarray:
        if isinstance(label, EncodedImage):
            if self.label_channel is None:
                return load_label(label, self)
            label = read_image(label, apply_exif=False)
        if self.color_map is not None:
            colors = np.broadcast_to(np.atleast_3d(label), (*label.shape[:2], 3))
            return classes_of_colors(where, colors, self)
        if label.ndim == 3:
            label = label[..., self.label_channel or 0]
        return classes_of_values(where, label, self)


def _open_records(builder, split: str) -> Sequence[bytes]:
    """Opens the serialized examples of a split, to be read by number.

    Args:
        builder: A `tfds.core.DatasetBuilder`, prepared.
        split: As TFDS names it, such as `"train[:50%]"`.

    Raises:
        InputError: If there is no such split, or the format of the files has no order.
    """
    import tensorflow_datasets as tfds

    formats = tfds.core.FileFormat
    try:
        if builder.info.file_format in formats.with_random_access():
            return builder.as_data_source(
                split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
            )
        files = builder.info.splits[split].file_instructions
        if not files:
            raise ValueError("it has no records")
    except Exception as error:  # which one depends on what is wrong with the split
        raise InputError(
            f"{builder.name} has the splits {sorted(builder.info.splits)}; "
            f"{split!r} is none of them ({_first_line(error)})."
        ) from error
    if builder.info.file_format != formats.TFRECORD:
        raise InputError(
            f"{builder.name} is prepared as {builder.info.file_format.value}; prepare "
            'it as "array_record" or "tfrecord" (TFDS.file_format).'
        )
    return TfrecordFiles([Shard(file.filename, file.skip, file.take) for file in files])


def _partial_features(features, *names: str):
    """The features of these names, so that the others need not be decoded."""
    import tensorflow_datasets as tfds

    chosen = tfds.decode.PartialDecoding({name: True for name in names})
    return chosen.extract_features(features)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
