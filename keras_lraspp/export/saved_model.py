"""TensorFlow SavedModels, as TensorFlow Serving loads them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.export.graph import (
    Sides,
    image_sides,
    inference_graph,
    require_tensorflow,
)
from keras_lraspp.export.metadata import KEY, Classes, Metadata, describe
from keras_lraspp.export.network import is_lraspp
from keras_lraspp.export.parity import (
    ParityReport,
    check_agreement,
    compare,
    require_agreement,
)
from keras_lraspp.export.parity_images import check_image, check_sizes
from keras_lraspp.export.signatures import signatures
from keras_lraspp.export.warmup import answers, write_warmup
from keras_lraspp.files import put_in_place, staging

CARD = f"{KEY}.json"  # in assets/


def export_saved_model(
    model: keras.Model,
    folder: str | Path,
    *,
    version: int = 1,
    size: Sequence[int] | None = None,
    classes: Classes,
    variant: str | None = None,
    images: Iterable[np.ndarray] = (),
    overwrite: bool = False,
) -> ParityReport:
    """Writes `<folder>/<version>/`, a SavedModel from uint8 images to labels.

    Its signatures are those of `keras_lraspp.export.signatures`. Classes and colours
    are in `assets/keras_lraspp.json`, requests to warm up with in `assets.extra/`. It
    is written beside, loaded again, compared with the model and renamed at the end, so
    that a server which watches `folder` sees a whole version or none.

    Args:
        model: An `LRASPP`, or another model that takes uint8 pixels (B, H, W, 3) and
            returns logits (B, H, W, classes).
        folder: The folder of all versions.
        version: Number of this one, at least 1.
        size: Fixed (height, width) of images; `None` for any size that `model` takes.
        classes: Names and colours of the classes, e.g. a `ClassSet`.
        variant: Name of the network.
        images: More images to compare on, uint8 RGB (H, W, 3).
        overwrite: Whether to replace this version if it is there.

    Returns:
        How the SavedModel compares with the model.

    Raises:
        InputError: On another backend than TensorFlow, for bad arguments, or if the
            version is there.
        ParityError: If the SavedModel gives other labels than the model.
        StorageError: If it cannot be written.
    """
    import tensorflow as tf

    require_tensorflow("A SavedModel")
    if not isinstance(version, int) or version < 1:
        raise InputError(f"version is a whole number from 1, not {version!r}.")
    sides = image_sides(model, size)
    about = describe(model, classes, variant)
    target = Path(folder) / str(version)
    if target.exists() and not overwrite:
        raise InputError(
            f"{target} is there already; choose another version or --overwrite."
        )
    with staging(target.parent) as hidden:
        # One deeper: the hidden folder itself is closed to other users.
        made = hidden / target.name
        _save(model, made, sides, about)
        image = check_image(*check_sizes(model, sides)[0])
        try:
            write_warmup(made, image)
        except tf.errors.OpError as error:
            raise StorageError(f"Cannot write {target}: {error.message}.") from error
        report = _check(model, made, sides, images, image, target)
        put_in_place(made, target)
    return report


def _save(model: keras.Model, path: Path, sides: Sides, about: Metadata) -> None:
    import tensorflow as tf

    # One graph for all: its weights are in the file once. What a signature does not
    # return is cut off when it is loaded.
    graph = inference_graph(model, "tensorflow", ("labels", "logits"), sides)
    functions = signatures(
        lambda image: graph(image)["labels"],
        lambda image: graph(image)["logits"],
        about.palette,
        sides,
    )
    card = path.with_name(CARD)
    entries = json.dumps(about.entries(), indent=1, ensure_ascii=False)
    card.write_text(entries, encoding="utf-8")
    module = tf.Module()
    module.card = tf.saved_model.Asset(str(card))
    if not is_lraspp(model):  # whose weights are constants of the graph
        module.weights = [variable.value for variable in model.variables]
    try:
        tf.saved_model.save(module, str(path), signatures=functions)
    except tf.errors.OpError as error:  # of the file system: a full disk, say
        raise OSError(error.message) from error


def _check(model, path: Path, sides: Sides, images, image, target) -> ParityReport:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))  # its functions hold no reference to it
    functions = loaded.signatures

    def labels(picture):
        return functions["serving_default"](image=tf.constant(picture))["labels"]

    def logits(picture):
        return functions["logits"](image=tf.constant(picture))["logits"].numpy()

    found = compare(
        model, lambda one: labels(one).numpy(), logits, sides=sides, images=images
    )
    require_agreement(found.agreement, f"The SavedModel for {target}")
    expected = keras.ops.convert_to_numpy(model(image, training=False)).argmax(-1)
    for name, answer in answers(path, functions):
        check_agreement(expected, answer, f"The signature {name} for {target}")
    return ParityReport(
        path=target,
        format="saved_model",
        precision="float32",
        runtime=f"tensorflow {tf.__version__}",
        **asdict(found),
    )
