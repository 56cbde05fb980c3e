"""Data sets, their checks, and the pipeline from files to training batches.

Names are loaded when first asked for, so that importing this package (for a palette,
say) does not bring TensorFlow.
"""

import importlib

from keras_lraspp.errors import naming_packages

# A data set or a transform is added by its row here: `keras_lraspp.data.NAME` and the
# `.gin` files then know it.
DATASETS = {
    "ADE20K": "keras_lraspp.data.datasets.ade20k",
    "CamVid": "keras_lraspp.data.datasets.camvid",
    "Cityscapes": "keras_lraspp.data.datasets.cityscapes",
    "FileList": "keras_lraspp.data.datasets.custom",
    "FolderPair": "keras_lraspp.data.datasets.custom",
    "Scenes": "keras_lraspp.data.datasets.scenes",
    "Shards": "keras_lraspp.data.shards.reader",
    "TFDS": "keras_lraspp.data.datasets.tfds",
    "VOC2012": "keras_lraspp.data.datasets.voc2012",
}
TRANSFORMS = {
    "recipe_transform": "keras_lraspp.data.augmentation.recipe",
    "transforms_in_order": "keras_lraspp.data.augmentation.recipe",
    "blur_transform": "keras_lraspp.data.augmentation.geometry",
    "keras_cv_transform": "keras_lraspp.data.augmentation.keras_cv",
    "rotation_transform": "keras_lraspp.data.augmentation.geometry",
    "scale_aspect_transform": "keras_lraspp.data.augmentation.geometry",
}
_OTHERS = {
    "CITYSCAPES": "keras_lraspp.classes",
    "CLASS_SETS": "keras_lraspp.classes",
    "ClassSet": "keras_lraspp.classes",
    "Dataset": "keras_lraspp.data.dataset",
    "SegmentationDataset": "keras_lraspp.data.dataset",
    "check_dataset": "keras_lraspp.data.check",
    "evaluation_batches": "keras_lraspp.data.pipeline",
    "generic_class_set": "keras_lraspp.classes",
    "read_image": "keras_lraspp.images",
    "read_label": "keras_lraspp.data.label_spec",
    "training_batches": "keras_lraspp.data.pipeline",
}
_HOME = {**DATASETS, **TRANSFORMS, **_OTHERS}
_ALIASES = {"Samples": "SegmentationDataset"}
__all__ = sorted({*_HOME, *_ALIASES})


def __getattr__(name: str):
    name = _ALIASES.get(name, name)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with naming_packages(f"{__name__}.{name}"):
        return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
