"""Data sets, their checks, and the pipeline from files to training batches.

Names are loaded when first asked for, so that importing this package (for a palette,
say) does not bring TensorFlow.
"""

import importlib

__all__ = [
    "ADE20K",
    "CITYSCAPES",
    "CLASS_SETS",
    "CamVid",
    "ClassSet",
    "Cityscapes",
    "Dataset",
    "FileList",
    "FolderPair",
    "Samples",
    "Scenes",
    "Shards",
    "TFDS",
    "VOC2012",
    "blur_transform",
    "check_dataset",
    "evaluation_batches",
    "generic_class_set",
    "keras_cv_transform",
    "read_image",
    "read_label",
    "recipe_transform",
    "rotation_transform",
    "scale_aspect_transform",
    "training_batches",
    "transforms_in_order",
]

_HOME = {
    "ADE20K": "sets.ade20k",
    "CITYSCAPES": "label_maps",
    "CLASS_SETS": "label_maps",
    "CamVid": "sets.camvid",
    "ClassSet": "label_maps",
    "Cityscapes": "sets.cityscapes",
    "Dataset": "dataset",
    "FileList": "sets.file_list",
    "FolderPair": "sets.folder_pair",
    "Samples": "samples",
    "Scenes": "scenes",
    "Shards": "shards.reading",
    "TFDS": "sets.tfds",
    "VOC2012": "sets.voc2012",
    "blur_transform": "augmentation.blur",
    "check_dataset": "checking.checks",
    "evaluation_batches": "pipeline",
    "generic_class_set": "label_maps",
    "keras_cv_transform": "augmentation.keras_cv_policy",
    "read_image": "reading",
    "read_label": "reading",
    "recipe_transform": "augmentation.transforms",
    "rotation_transform": "augmentation.rotation",
    "scale_aspect_transform": "augmentation.scale_aspect",
    "training_batches": "pipeline",
    "transforms_in_order": "augmentation.transforms",
}


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
