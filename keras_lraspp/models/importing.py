"""Weights of the reference into our models, with an account of every tensor."""

from collections.abc import Collection, Mapping
from pathlib import Path

import keras
import numpy as np

from keras_lraspp.models.comparing import ImportReport, compare
from keras_lraspp.models.mobilenet_v3 import MobileNetV3
from keras_lraspp.models.reference_names import canonical_name, reference_tensors
from keras_lraspp.models.variants import BACKBONE_WEIGHTS
from keras_lraspp.weights import read_pdparams
from keras_lraspp.weights.download import fetch

CLASS_LAYER = "lraspp_head.conv_out.weight"


def import_weights(
    model: keras.Model, path: str | Path, strict: bool = True
) -> ImportReport:
    """Fills a model with weights that PaddleSeg trained.

    A file of a backbone fills the backbone of an `LRASPP`, whose head then stays as it
    was; a file of a whole network fills a `MobileNetV3` too. The classifier behind a
    published backbone is left out.

    Args:
        model: An `LRASPP` or a `MobileNetV3`.
        path: A `.pdparams` file, a folder or `.tar.gz` that holds `model.pdparams`, or
            `"imagenet_ssld"` for the published backbone, which is downloaded.
        strict: Whether tensors that should be there and are not, or that nobody
            asked for, are an error. Otherwise what fits is loaded.

    Returns:
        What was loaded, and what was not.

    Raises:
        InputError: If the file is damaged, or with `strict` if it belongs to another
            network; the model is then as it was.
        StorageError: If the file cannot be read or downloaded.

    Example:
        ```python
        model = keras_lraspp.LRASPP(num_classes=19, output_stride=8)
        print(keras_lraspp.import_weights(model, "model.pdparams"))
        ```
    """
    if str(path) in BACKBONE_WEIGHTS:
        tensors = fetch_backbone(str(path))
    else:
        tensors = read_pdparams(path)
    return fill(model, tensors, str(path), strict=strict)


def fetch_backbone(name: str) -> dict[str, np.ndarray]:
    """Downloads a published backbone, a row of `BACKBONE_WEIGHTS`.

    Raises:
        InputError: If what is served are other weights.
        StorageError: If it cannot be downloaded.
    """
    published = BACKBONE_WEIGHTS[name]

    def check(tensors):
        compare(MobileNetV3("large"), tensors, published.address)

    return fetch(published, check)


def fill(
    model: keras.Model,
    tensors: Mapping[str, np.ndarray],
    source: str,
    *,
    strict: bool = True,
    keep: Collection[str] = (),
) -> ImportReport:
    """Puts the reference's tensors into a model; see `import_weights`.

    Args:
        model: An `LRASPP` or a `MobileNetV3`.
        tensors: Float arrays by the reference's names, or those of a backbone alone.
        source: Where they are from, for the message.
        strict: As for `import_weights`.
        keep: Tensors of the reference that stay as they are in the model.

    Returns:
        What was loaded, and what was not.

    Raises:
        InputError: As `import_weights` does.
    """
    report = compare(model, tensors, source, strict=strict, keep=keep)
    tensors = {canonical_name(name): value for name, value in tensors.items()}
    fitting = {name: tensors[name] for name in report.loaded}
    for row in reference_tensors(model):
        if row.name in fitting:
            row.variable.assign(row.value(fitting))
    return report
