# For type checkers and editors: what `__init__.py` loads when it is asked for.

from keras_lraspp.classes import (
    CITYSCAPES as CITYSCAPES,
    CLASS_SETS as CLASS_SETS,
    ClassSet as ClassSet,
    generic_class_set as generic_class_set,
)
from keras_lraspp.data.augmentation.geometry import (
    blur_transform as blur_transform,
    rotation_transform as rotation_transform,
    scale_aspect_transform as scale_aspect_transform,
)
from keras_lraspp.data.augmentation.keras_cv import (
    keras_cv_transform as keras_cv_transform,
)
from keras_lraspp.data.augmentation.recipe import (
    recipe_transform as recipe_transform,
    transforms_in_order as transforms_in_order,
)
from keras_lraspp.data.check import check_dataset as check_dataset
from keras_lraspp.data.dataset import (
    Dataset as Dataset,
    SegmentationDataset as SegmentationDataset,
)
from keras_lraspp.data.datasets.ade20k import ADE20K as ADE20K
from keras_lraspp.data.datasets.camvid import CamVid as CamVid
from keras_lraspp.data.datasets.cityscapes import Cityscapes as Cityscapes
from keras_lraspp.data.datasets.custom import (
    FileList as FileList,
    FolderPair as FolderPair,
)
from keras_lraspp.data.datasets.scenes import Scenes as Scenes
from keras_lraspp.data.datasets.tfds import TFDS as TFDS
from keras_lraspp.data.datasets.voc2012 import VOC2012 as VOC2012
from keras_lraspp.data.label_spec import read_label as read_label
from keras_lraspp.data.pipeline import (
    evaluation_batches as evaluation_batches,
    training_batches as training_batches,
)
from keras_lraspp.data.shards.reader import Shards as Shards
from keras_lraspp.images import read_image as read_image

DATASETS: dict[str, str]
TRANSFORMS: dict[str, str]
Samples = SegmentationDataset
