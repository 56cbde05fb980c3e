"""Images of the data set that an export is measured on, and how it scores there."""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image
from tqdm import tqdm

from keras_lraspp.data.dataset import Samples, open_dataset
from keras_lraspp.errors import InputError
from keras_lraspp.export.parity import ParityError
from keras_lraspp.export.parity_images import fitted
from keras_lraspp.inference.labels import LabelFunction
from keras_lraspp.metrics import ConfusionMatrix

LARGEST_LOSS = 0.01  # of mIoU, in 0..1


def find_samples(
    dataset: Callable[..., Samples] | None,
    data_root,
    split: str,
    num_classes: int,
    needed_for: str | None,
) -> Samples | None:
    """Opens a split, if it is there.

    Args:
        dataset: As the runs take it; `None` if none is configured.
        data_root: Its folder; `None` for the default.
        split: Name of the split.
        num_classes: Number of the model's classes.
        needed_for: What cannot be done without it; `None` if it can be missing.

    Returns:
        The data set; `None` if it is not there and need not be.

    Raises:
        InputError: If it is not there, but needed or named, or has other classes.
    """
    if dataset is None:
        if needed_for:
            raise InputError(
                f"{needed_for} needs a data set; bind export.dataset, as the shipped "
                f"configurations do."
            )
        return None
    try:
        found = open_dataset(dataset, data_root, split)
    except InputError as error:
        if needed_for is None and data_root is None:
            return None
        reason = f"{needed_for or '--data_root'} needs the data set. "
        raise InputError(reason + str(error)) from error
    if needed_for and found.num_classes != num_classes:
        raise InputError(
            f"{needed_for} needs a data set of the model's {num_classes} classes; "
            f"{found.name} has {found.num_classes}."
        )
    return found


def spread(samples: Samples, count: int) -> list[int]:
    """Returns the numbers of at most `count` samples, evenly over all."""
    places = np.linspace(0, len(samples) - 1, min(count, len(samples)))
    return np.rint(places).astype(int).tolist()


def pictures(samples: Samples | None, count: int) -> Iterator[np.ndarray]:
    """Yields at most `count` images, uint8 (H, W, 3), evenly over the data set."""
    for index in spread(samples, count) if samples is not None else ():
        yield np.asarray(samples.load(index)[0])


def certify(
    model: LabelFunction,
    exported: LabelFunction,
    samples: Samples,
    count: int,
    sides: tuple[int, int],
    what: str,
) -> dict:
    """Compares the mIoU of an exported file with the Keras model's.

    Args:
        model: Labels of the Keras model, from images (1, H, W, 3).
        exported: Those of the file.
        samples: The validation set.
        count: Number of images at most, evenly over it.
        sides: Height and width to resize images, bilinearly, and labels, to the
            nearest, to.
        what: The file, for the error.

    Returns:
        What `deploy.json` says of it: `miou` and `model_miou` in 0..1, their
        difference `miou_change`, and on how many images of which split.

    Raises:
        ParityError: If it loses more than `LARGEST_LOSS`, or nothing can be counted.
        InputError: If a sample cannot be read.
    """
    indices = spread(samples, count)
    ours, theirs = (
        ConfusionMatrix(samples.num_classes, samples.ignore_label) for _ in range(2)
    )
    for index in tqdm(indices, unit="image", desc="certificate"):
        image, labels = samples.load(index)
        image = fitted(np.asarray(image), sides)
        truth = Image.fromarray(np.asarray(labels).astype("int32"))
        truth = np.asarray(truth.resize(sides[::-1], Image.NEAREST))[None]
        ours.update(truth, model(image))
        theirs.update(truth, exported(image))
    change = theirs.miou() - ours.miou()
    if not change >= -LARGEST_LOSS:  # nan, too
        raise ParityError(
            f"{what} has a mIoU of {theirs.miou():.2%} where the Keras model has "
            f"{ours.miou():.2%}, on {len(indices)} images of {samples.name} "
            f"{samples.split}; it may lose {LARGEST_LOSS:.0%}. Nothing was exported."
        )
    return {
        "miou": theirs.miou(),
        "model_miou": ours.miou(),
        "miou_change": change,
        "images": len(indices),
        "dataset": samples.name,
        "split": samples.split,
    }
