"""Data sets, their checks, and the pipeline from files to training batches.

Names are loaded when first asked for, so that importing this package (for a palette,
say) does not bring TensorFlow.
"""

import importlib

# A data set or a transform is added by its row here: `keras_lraspp.data.NAME` and the
# `.gin` files then know it.
DATASETS = {
    "ADE20K": "keras_lraspp.data.sets.ade20k",
    "CamVid": "keras_lraspp.data.sets.camvid",
    "Cityscapes": "keras_lraspp.data.sets.cityscapes",
    "FileList": "keras_lraspp.data.sets.file_list",
    "FolderPair": "keras_lraspp.data.sets.folder_pair",
    "Scenes": "keras_lraspp.data.scenes",
    "Shards": "keras_lraspp.data.shards.reading",
    "TFDS": "keras_lraspp.data.sets.tfds",
    "VOC2012": "keras_lraspp.data.sets.voc2012",
}
TRANSFORMS = {
    "recipe_transform": "keras_lraspp.data.augmentation.transforms",
    "transforms_in_order": "keras_lraspp.data.augmentation.transforms",
    "blur_transform": "keras_lraspp.data.augmentation.blur",
    "keras_cv_transform": "keras_lraspp.data.augmentation.keras_cv_policy",
    "rotation_transform": "keras_lraspp.data.augmentation.rotation",
    "scale_aspect_transform": "keras_lraspp.data.augmentation.scale_aspect",
}
_OTHERS = {
    "CITYSCAPES": "keras_lraspp.classes",
    "CLASS_SETS": "keras_lraspp.classes",
    "ClassSet": "keras_lraspp.classes",
    "Dataset": "keras_lraspp.data.dataset",
    "Samples": "keras_lraspp.data.samples",
    "check_dataset": "keras_lraspp.data.checking.checks",
    "evaluation_batches": "keras_lraspp.data.pipeline",
    "generic_class_set": "keras_lraspp.classes",
    "read_image": "keras_lraspp.images",
    "read_label": "keras_lraspp.data.label_spec",
    "training_batches": "keras_lraspp.data.pipeline",
}
_HOME = {**DATASETS, **TRANSFORMS, **_OTHERS}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
