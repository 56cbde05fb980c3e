"""The evaluation loop: predict, and count right and wrong pixels."""

import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial

import numpy as np

from keras_lraspp.data import evaluation_batches
from keras_lraspp.data.dataset import Dataset, SegmentationDataset
from keras_lraspp.data.pipeline_errors import input_errors
from keras_lraspp.images import read_image
from keras_lraspp.inference.functions import LabelFunction
from keras_lraspp.metrics import ConfusionMatrix
from keras_lraspp.parallel import map_threads

DeviceScope = Callable[[], AbstractContextManager]


def evaluate_model(
    predict: LabelFunction,
    batches: Iterable,
    confusion: ConfusionMatrix,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Counts a model's right and wrong pixels; see `update_confusions`."""
    update_confusions(
        lambda images: [predict(images)], batches, [confusion], progress=progress
    )


def update_confusions(
    predict: Callable[[np.ndarray], Sequence[np.ndarray]],
    batches: Iterable,
    confusions: Sequence[ConfusionMatrix],
    *,
    progress: Callable[[int], object] | None = None,
    sink: Callable[[np.ndarray], object] | None = None,
    devices: Sequence[DeviceScope] = (nullcontext,),
) -> None:
    """Fills the confusion matrices of one or several predictions over batches.

    The labels of one batch are counted while the devices work on the next ones. Each
    device has one batch at a time, and no more than one other waits in memory.

    Args:
        predict: From images (B, H, W, 3) to one (B, H, W) of labels per confusion
            matrix.
        batches: Pairs of uint8 images (B, H, W, 3) and integer labels (B, H, W), or
            `None` where there are no labels.
        confusions: Get the counts.
        progress: Called after each batch with the number of its images.
        sink: Called with the first prediction of each batch, in order.
        devices: Scopes to predict in; a batch goes to the first free one.

    Raises:
        InputError: If a file cannot be read, or labels hold a value that is neither a
            class nor ignored.
    """
    free_devices = queue.SimpleQueue()
    for device in devices:
        free_devices.put(device)

    def predict_batch(batch) -> Sequence[np.ndarray]:
        device = free_devices.get()
        try:
            with device():
                return predict(batch[0])
        finally:
            free_devices.put(device)

    predicted = map_threads(predict_batch, batches, threads=len(devices))
    with input_errors(), closing(predicted):
        for (_, labels), future in predicted:
            predictions = future.result()
            if progress is not None:
                progress(len(predictions[0]))
            if labels is not None:
                truth = np.asarray(labels)
                for confusion, prediction in zip(confusions, predictions, strict=True):
                    confusion.update(truth, prediction)
            if sink is not None:
                sink(predictions[0])


def image_batches(images: SegmentationDataset, batch_size: int) -> Iterable:
    """Batches for `update_confusions`, in order; without labels one by one."""
    if images.labelled:
        return evaluation_batches(images, batch_size=batch_size)
    return _unlabelled_batches(images)


def _unlabelled_batches(images: Dataset) -> Iterator[tuple[np.ndarray, None]]:
    settings = {"white": images.white, "channels": images.channels}
    read = partial(read_image, apply_exif=images.is_upright, **settings)
    with closing(map_threads(read, images.images)) as pictures:
        for _, picture in pictures:
            yield picture.result()[None], None
