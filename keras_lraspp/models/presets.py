"""Networks by name or from a file, with their weights."""

from pathlib import Path

import numpy as np

from keras_lraspp.errors import InputError
from keras_lraspp.models.comparing import compare
from keras_lraspp.models.importing import CLASS_LAYER, fill
from keras_lraspp.models.keras_config import read_arguments
from keras_lraspp.models.loading import load_weights as load_keras_weights
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.models.mobilenet_v3_blocks import BACKBONES, scaled
from keras_lraspp.models.reference_names import canonical_name
from keras_lraspp.models.variants import VARIANTS, Variant, find_variant
from keras_lraspp.weights import read_pdparams
from keras_lraspp.weights.download import fetch
from keras_lraspp.weights.keras_archive import check_keras_archive

_PUBLISHED_CLASSES = 19
_ARCHIVES = (".pdparams", ".tar.gz", ".tgz", ".tar")


def from_preset(
    preset: str | Path,
    load_weights: bool = True,
    num_classes: int | None = None,
    strict: bool = True,
    variant: str | None = None,
    **overrides,
) -> LRASPP:
    """Builds a network and fills it with published weights, or those of a file.

    Args:
        preset: `"os8_global_cityscapes"`, `"os8_large_kernel_cityscapes"` or
            `"os32_global_cityscapes"`, whose weights are downloaded once; or a file:
            a `.keras` file of an `LRASPP`, or PaddleSeg's `.pdparams` (or a folder or
            `.tar.gz` with `model.pdparams`). With `load_weights=False` also the name
            of any row of the table of variants, such as `"small_os32_global"`.
        load_weights: Whether to load the weights; otherwise they are random.
        num_classes: Number of classes, if not the file's. If it is another number,
            the last layer keeps its random weights and everything else is loaded:
            the start of a fine-tuning.
        strict: For PaddleSeg's weights, see `import_weights`.
        variant: Row of the table of variants that a `.pdparams` file belongs to.
            Needed where several have the same tensors.
        **overrides: Other arguments of `LRASPP`, e.g. `input_shape`.

    Returns:
        The network.

    Raises:
        InputError: For an unknown name, or a file that is damaged, belongs to another
            network, or is not what was published.
        StorageError: If the weights cannot be downloaded or read.

    Example:
        ```python
        model = keras_lraspp.LRASPP.from_preset("os8_global_cityscapes")
        ```
    """
    row = find_variant(str(preset))
    if row is not None:
        return _from_table(row, load_weights, num_classes, strict, overrides)
    path = Path(preset).expanduser()
    if not path.exists():
        names = [row.preset for row in VARIANTS if row.preset]
        others = [row.name for row in VARIANTS]
        raise InputError(
            f"There is no preset or file {preset}; give one of {names}, a .keras or "
            f".pdparams file, or, with load_weights=False, one of {others}."
        )
    if path.name.endswith(".keras"):
        return _from_keras_file(path, load_weights, num_classes, overrides)
    if path.is_dir() or path.name.endswith(_ARCHIVES):
        return _from_reference_file(
            path, load_weights, num_classes, strict, variant, overrides
        )
    raise InputError(
        f"{path} is no preset: expected a .keras file, or one of {_ARCHIVES}."
    )


def _from_table(row: Variant, load_weights, num_classes, strict, overrides) -> LRASPP:
    if load_weights and row.published is None:
        raise InputError(
            f"There are no published weights of {row.name}; build it with "
            f"load_weights=False."
        )
    number = _PUBLISHED_CLASSES if num_classes is None else num_classes
    model = LRASPP(**{**row.arguments, "num_classes": number, **overrides})
    if not load_weights:
        return model

    def check(tensors):
        compare(LRASPP(_PUBLISHED_CLASSES, **row.arguments), tensors, "The file")

    tensors = fetch(row.published, check)
    return _filled(model, tensors, row.published.address, strict)


def _from_reference_file(
    path: Path, load_weights, num_classes, strict, variant, overrides
) -> LRASPP:
    tensors = read_pdparams(path)
    row = _row(variant) if variant else _guess(tensors, path)
    if num_classes is None:
        num_classes = _classes(tensors)
        if num_classes is None:
            raise InputError(
                f"{path} has no layer of classes ({CLASS_LAYER}); build an LRASPP and "
                f"fill its backbone with import_weights, or give num_classes."
            )
    model = LRASPP(**{**row.arguments, "num_classes": num_classes, **overrides})
    return _filled(model, tensors, str(path), strict) if load_weights else model


def _from_keras_file(path: Path, load_weights, num_classes, overrides) -> LRASPP:
    check_keras_archive(path)
    noted = read_arguments(path)
    arguments = {**noted, **overrides}
    if num_classes in (None, noted["num_classes"]):
        model = LRASPP(**arguments)
        if load_weights:
            load_keras_weights(model, path)
        return model
    model = LRASPP(**{**arguments, "num_classes": num_classes})
    if load_weights:
        theirs = LRASPP(**noted)
        load_keras_weights(theirs, path)
        for ours, value in zip(model.weights, theirs.get_weights(), strict=True):
            if ours is not model.get_layer("head_classes_conv").kernel:
                ours.assign(value)
    return model


def _filled(model: LRASPP, tensors, source: str, strict: bool) -> LRASPP:
    """Fills a network, but for its last layer if that has other classes."""
    other = _classes(tensors) not in (None, model.num_classes)
    fill(model, tensors, source, strict=strict, keep=(CLASS_LAYER,) if other else ())
    return model


def _classes(tensors) -> int | None:
    """Returns the file's number of classes; `None` if its last layer is no such."""
    kernel = tensors.get(CLASS_LAYER)
    if kernel is None or kernel.ndim != 4 or not len(kernel):
        return None
    return len(kernel)


def _row(name: str) -> Variant:
    row = find_variant(name)
    if row is None:
        raise InputError(
            f"There is no variant {name}; choose one of "
            f"{[variant.name for variant in VARIANTS]}."
        )
    return row


def _guess(tensors: dict[str, np.ndarray], path: Path) -> Variant:
    """Finds the variant by the channels of the blocks; strides leave no trace."""
    channels = []
    named = {canonical_name(name): value for name, value in tensors.items()}
    while (value := named.get(_last_scale(len(channels)))) is not None:
        channels.append(value.size)
    rows = []
    for row in VARIANTS:
        blocks = scaled(BACKBONES[row.backbone], row.width).blocks
        if channels == [block.filters for block in blocks]:
            rows.append(row)
    if len(rows) == 1:
        return rows[0]
    fitting = [row.name for row in rows or VARIANTS]
    why = "fits several variants" if rows else "fits no variant by its channels"
    raise InputError(f"{path} {why}; say which with variant=, one of {fitting}.")


def _last_scale(block: int) -> str:
    return f"backbone.blocks.{block}.linear_conv.bn.weight"
