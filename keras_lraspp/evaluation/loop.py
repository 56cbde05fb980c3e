"""The loop of every evaluation: predict, compare, count."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext

import numpy as np

from keras_lraspp.data import evaluation_batches
from keras_lraspp.data.dataset import Dataset, SegmentationDataset
from keras_lraspp.data.pipeline_errors import input_errors
from keras_lraspp.images import read_image
from keras_lraspp.inference.functions import LabelFunction
from keras_lraspp.metrics import ConfusionMatrix
from keras_lraspp.parallel import map_threads

# From images (B, H, W, 3) to one (B, H, W) of labels per confusion matrix.
LabelsFunction = Callable[[np.ndarray], Sequence[np.ndarray]]
Device = Callable[[], AbstractContextManager]


def evaluate_model(
    predict: LabelFunction,
    batches: Iterable,
    confusion: ConfusionMatrix,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Counts a model's hits and misses over batches; see `count`."""
    count(lambda images: [predict(images)], batches, [confusion], progress=progress)


def count(
    predict: LabelsFunction,
    batches: Iterable,
    confusions: Sequence[ConfusionMatrix],
    *,
    progress: Callable[[int], object] | None = None,
    sink: Callable[[np.ndarray], object] | None = None,
    devices: Sequence[Device] = (nullcontext,),
) -> None:
    """Counts hits and misses of one or several predictions over batches.

    The labels of one batch are counted while the device works on the next; no more
    than one batch per device and one that waits are in memory, whatever their number.

    Args:
        predict: Gives a prediction for each of `confusions`.
        batches: Pairs of uint8 images (B, H, W, 3) and integer labels (B, H, W), or
            `None` where there are no labels.
        confusions: Get the counts.
        progress: Called after each batch with the number of its images.
        sink: Called with the first prediction of each batch, in order.
        devices: Scopes to predict in; the batches are dealt out to them in turn.

    Raises:
        InputError: If a file cannot be read, or labels hold a value that is neither a
            class nor ignored.
    """

    def predict_on(device: Device, images) -> Sequence[np.ndarray]:
        with device():
            return predict(images)

    def finish(labels, future) -> None:
        predictions = future.result()
        if progress is not None:
            progress(len(predictions[0]))
        if labels is not None:
            truth = np.asarray(labels)
            for confusion, prediction in zip(confusions, predictions, strict=True):
                confusion.update(truth, prediction)
        if sink is not None:
            sink(predictions[0])

    waiting = deque()
    runners = ThreadPoolExecutor(len(devices), thread_name_prefix="predict")
    try:
        with input_errors():
            for number, (images, labels) in enumerate(batches):
                device = devices[number % len(devices)]
                waiting.append((labels, runners.submit(predict_on, device, images)))
                if len(waiting) > len(devices):
                    finish(*waiting.popleft())
            while waiting:
                finish(*waiting.popleft())
    finally:
        runners.shutdown(cancel_futures=True)


def batches_of(images: SegmentationDataset, batch_size: int) -> Iterable:
    """Returns each image once, in order.

    Args:
        images: Data set, with labels or without.
        batch_size: Images in a batch. Without labels one by one.

    Returns:
        Pairs of uint8 images (B, H, W, 3) and labels (B, H, W), or `None`.
    """
    if images.labelled:
        return evaluation_batches(images, batch_size=batch_size)
    return _without_labels(images)


def _without_labels(images: Dataset) -> Iterator[tuple[np.ndarray, None]]:
    with closing(map_threads(_read, images.images)) as pictures:
        for _, picture in pictures:
            yield picture.result()[None], None


def _read(path) -> np.ndarray:
    return read_image(path, apply_exif=False)
