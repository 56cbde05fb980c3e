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
    "TFDS",
    "VOC2012",
    "check_dataset",
    "evaluation_batches",
    "generic_class_set",
    "read_image",
    "read_label",
    "recipe_transform",
    "training_batches",
]

_HOME = {
    "ADE20K": "ade20k",
    "CITYSCAPES": "label_maps",
    "CLASS_SETS": "label_maps",
    "CamVid": "camvid",
    "ClassSet": "label_maps",
    "Cityscapes": "cityscapes",
    "Dataset": "dataset",
    "FileList": "file_list",
    "FolderPair": "folder_pair",
    "Samples": "samples",
    "Scenes": "scenes",
    "TFDS": "tfds",
    "VOC2012": "voc2012",
    "check_dataset": "checks",
    "evaluation_batches": "pipeline",
    "generic_class_set": "label_maps",
    "read_image": "reading",
    "read_label": "reading",
    "recipe_transform": "transforms",
    "training_batches": "pipeline",
}


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
