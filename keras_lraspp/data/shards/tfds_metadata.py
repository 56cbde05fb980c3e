"""What lets TensorFlow Datasets open a folder of shards."""

from pathlib import Path

import numpy as np

from keras_lraspp.data.shards.manifest import Manifest


def write_tfds_metadata(manifest: Manifest, folder: Path) -> None:
    """Writes `dataset_info.json` and `features.json`.

    Args:
        manifest: What is in the folder.
        folder: The folder.
    """
    import tensorflow_datasets as tfds

    tfds.folder_dataset.write_metadata(
        data_dir=str(folder),
        features=_features(manifest.label_type),
        split_infos=[
            tfds.core.SplitInfo(
                name=name,
                shard_lengths=[file.records for file in split.files],
                num_bytes=sum(file.bytes for file in split.files),
            )
            for name, split in manifest.splits.items()
        ],
        filename_template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        version="1.0.0",
        check_data=False,
        description=f"{manifest.name} in tiles of {manifest.tile.height} x "
        f"{manifest.tile.width} pixels, row by row, filled up at the right and bottom. "
        "Images that are JPEG files are kept as they were, in one piece.",
    )


def _features(label_type: str):
    """What TensorFlow Datasets is told of a record."""
    import tensorflow_datasets as tfds

    image = tfds.features.Image(shape=(None, None, 3))
    label = tfds.features.Image(
        shape=(None, None, 1), dtype=np.dtype(label_type), encoding_format="png"
    )
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Sequence(image),
            "label": tfds.features.Sequence(label),
            "height": tfds.features.Scalar(np.int64),
            "width": tfds.features.Scalar(np.int64),
            "name": tfds.features.Text(),
        }
    )
