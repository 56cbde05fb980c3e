"""Import of other people's weights, with an account of every tensor."""

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.devices import policy_scope
from keras_lraspp.errors import InputError, StorageError, abbreviate
from keras_lraspp.models.families import FAMILIES
from keras_lraspp.models.mobilenet_v3 import MobileNetV3
from keras_lraspp.models.tensor_names import (
    canonical_name,
    family_of,
    is_backbone,
    is_head,
    reference_tensors,
)
from keras_lraspp.weights import read_tensors
from keras_lraspp.weights.download import fetch
from keras_lraspp.weights.published import BACKBONE_WEIGHTS, find_backbone

# Families whose backbones differ in the mean and deviation of pixels alone.
_ALIKE = {"tensorflow", "fastseg", "mmseg"}
_VARIANCES = ("._variance", ".running_var", "/moving_variance")


class ImportReport(NamedTuple):
    """What became of every tensor, by the reference's names.

    Attributes:
        loaded: Tensors that are now in the model.
        unused: Tensors that the file has beyond the model.
        missing: Tensors that the model has beyond the file; they stay as they were.
        mismatched: Tensors of another shape, with both shapes; not loaded either.
    """

    loaded: tuple[str, ...]
    unused: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Returns a line for each kind that there is."""
        lines = [f"{len(self.loaded)} tensors loaded"]
        for names, text in (
            (self.unused, "in the file, not used by the model"),
            (self.missing, "of the model, not in the file"),
            (self.mismatched, "of another shape, not loaded"),
        ):
            if names:
                lines.append(
                    f"{len(names)} {text}: {abbreviate(name[:200] for name in names)}"
                )
        return "\n".join(lines)


def import_weights(
    model: keras.Model, path: str | Path, strict: bool = True
) -> ImportReport:
    """Fills a model with weights that PaddleSeg or another code base trained.

    Whose they are is seen by the names of the tensors: PaddleSeg's, torchvision's,
    fastseg's or mmsegmentation's. The model must be of that family.

    A file of a backbone fills the backbone of an `LRASPP`, whose head then stays as it
    was; a file of a whole network fills a `MobileNetV3` too. The classifier behind a
    published backbone is left out. For a model of other channels than the file's RGB,
    the first layer is adapted, with a warning, see `adapt_channels`.

    Args:
        model: An `LRASPP` or a `MobileNetV3`.
        path: A `.pdparams` file, a folder or `.tar.gz` that holds `model.pdparams`, a
            `.pth`, `.pt` or `.safetensors` file; or the name of a published backbone,
            which is downloaded: `"imagenet_ssld"` (PaddleSeg's), `"imagenet"` (that of
            `keras.applications`, for the families tensorflow, fastseg and mmseg),
            `"imagenet_torchvision"` or `"imagenet_torchvision_v1"`. The pixels of
            fastseg and mmseg are normalised otherwise than Keras's: the first layer is
            converted, which is exact except at the border of the image.
        strict: Whether tensors that should be there and are not, or that nobody
            asked for, are an error. Otherwise what fits is loaded.

    Returns:
        What was loaded, and what was not.

    Raises:
        InputError: If the file is damaged, or of another family, or with `strict` if it
            belongs to another network; the model is then as it was.
        StorageError: If the file cannot be read or downloaded.

    Example:
        ```python
        model = keras_lraspp.LRASPP(num_classes=19, output_stride=8)
        print(keras_lraspp.import_weights(model, "model.pdparams"))
        ```
    """
    backbone = getattr(model, "backbone", model)
    row = find_backbone(str(path), backbone.variant, backbone.width)
    if row is None:
        return fill(model, read_tensors(path), str(path), strict=strict)
    if not _takes(model, row.family):
        names = [own.name for own in BACKBONE_WEIGHTS if _takes(model, own.family)]
        raise InputError(
            f"The weights {path} are of a network of family {row.family!r}, this one "
            f"is of {model.family!r}; build it with family={row.family!r}, or take "
            f"those for it, which are {abbreviate(dict.fromkeys(names))}."
        )
    if row.published is None:
        tensors = _read_application(row.backbone, row.width)
    else:
        tensors = fetch(
            row.published,
            lambda tensors: check_compatible(
                MobileNetV3(row.backbone, row.width, family=row.family),
                tensors,
                row.published.address,
            ),
        )
    return fill(model, tensors, str(path), strict=strict, family=row.family)


def _takes(model: keras.Model, family: str) -> bool:
    """Whether a published backbone of a family can fill a model's."""
    return family == model.family or (family == "tensorflow" and model.family in _ALIKE)


def _read_application(variant: str, width: float) -> dict[str, np.ndarray]:
    """Returns the tensors of Keras's own MobileNetV3, which Keras downloads."""
    build = getattr(keras.applications, f"MobileNetV3{variant.capitalize()}")
    with warnings.catch_warnings(), policy_scope(keras.DTypePolicy("float32")):
        warnings.simplefilter("ignore")  # that weights are for 224x224
        try:
            network = build(alpha=float(width), include_top=False, weights="imagenet")
        except Exception as error:  # of any kind, as get_file raises it
            reason = " ".join(str(error).split())[:300]
            raise StorageError(
                f"Cannot download the weights of keras.applications ({reason}); try "
                f"again, or train without ImageNet weights: backbone_weights=None."
            ) from error
    return {
        f"{layer.name}/{variable.name}": np.asarray(value)
        for layer in network.layers
        for variable, value in zip(layer.weights, layer.get_weights(), strict=True)
    }


def fill(
    model: keras.Model,
    tensors: Mapping[str, np.ndarray],
    source: str,
    *,
    strict: bool = True,
    skip: Collection[str] = (),
    family: str | None = None,
) -> ImportReport:
    """Puts somebody's tensors into a model; see `import_weights`.

    Those to skip stay as they are in the model; `source` is for the message; `family`
    is whose tensors they are, if not those of the model's.
    """
    family = family or model.family
    tensors = _with_channels(tensors, model, source, family)
    report = check_compatible(
        model, tensors, source, strict=strict, skip=skip, family=family
    )
    tensors = {canonical_name(name, family): value for name, value in tensors.items()}
    fitting = {name: tensors[name] for name in report.loaded}
    for row in reference_tensors(model, family):
        if row.name in fitting:
            row.variable.assign(row.value(fitting))
    return report


def _with_channels(
    tensors: Mapping[str, np.ndarray], model: keras.Model, source: str, family: str
) -> Mapping[str, np.ndarray]:
    """Returns the tensors with a first layer for the model's channels and pixels."""
    rows = {id(row.variable): row for row in reference_tensors(model, family)}
    backbone = getattr(model, "backbone", model)
    stem = rows[id(backbone.get_layer("stem_conv").kernel)]
    mean = rows[id(backbone.get_layer("stem_bn").moving_mean)]
    names = {canonical_name(name, family): name for name in tensors}
    value = tensors.get(names.get(stem.name, ""))
    if value is None or value.ndim != 4:
        return tensors
    kernel = stem.value({stem.name: value})
    ours, theirs = tuple(stem.variable.shape), kernel.shape
    same = theirs == ours and family == model.family
    if same or not theirs[2] or (*theirs[:2], theirs[3]) != (*ours[:2], ours[3]):
        return tensors
    kernel, shift = adapt_channels(kernel, ours[2], source, family, model.family)
    changed = {names[stem.name]: stem.to_reference(kernel)}
    means = tensors.get(names.get(mean.name, ""))
    if means is not None and means.shape == shift.shape:
        changed[names[mean.name]] = means - shift
    return {**tensors, **changed}


def adapt_channels(
    kernel: np.ndarray,
    channels: int,
    source: str,
    theirs: str = "paddleseg",
    ours: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Adapts the kernel of a first layer to images of other channels, with a warning.

    For one channel, kernels are summed: a grey image then scores as the same image
    repeated in RGB. For others they are repeated in turn and multiplied by the quotient
    of the numbers of channels, so that the sum over channels keeps its scale: channel i
    gets the kernel of channel i mod 3 of RGB, times 3 / channels.

    Where the pixels of the two are normalised with other means and deviations, kernels
    are scaled by the quotient of the deviations, and what the means differ by goes into
    a shift. That is exact but for the border of the image, where zeros that stand for
    the mean are around it.

    Args:
        kernel: (A, B, channels, D), of at least one channel.
        channels: Number of channels of the images.
        source: Where the kernel is from, for the warning.
        theirs: The family that the kernel is of.
        ours: The family of the network that it is for; `None` for the same.

    Returns:
        The kernel (A, B, `channels`, D), and the shift (D,): what the convolution then
        lacks, to be subtracted from the moving mean of the batch norm behind it.
    """
    given = kernel.shape[2]
    if given != channels:
        warnings.warn(
            f"{source} is for {given}-channel images; its first layer was adapted to "
            f"{channels}.",
            stacklevel=2,
        )
    summed = channels == 1
    turns = np.arange(given if summed else channels) % given
    mean, deviation = np.array(FAMILIES[theirs].normalization(given))[:, turns]
    middle, spread = np.array(FAMILIES[ours or theirs].normalization(channels))
    times = 1 if summed else given / channels
    kernels = kernel[:, :, turns] * np.asarray(times, kernel.dtype)
    shifts = ((middle - mean) / deviation).astype(kernel.dtype)
    kernel = kernels * (spread / deviation).astype(kernel.dtype)[:, None]
    shift = np.einsum("abcd,c->d", kernels, shifts)
    return (kernel.sum(2, keepdims=True) if summed else kernel), shift


def check_compatible(
    model: keras.Model,
    tensors: Mapping[str, np.ndarray],
    source: str,
    *,
    strict: bool = True,
    skip: Collection[str] = (),
    family: str | None = None,
) -> ImportReport:
    """Returns the report of `fill` or raises its errors, and changes nothing."""
    family = family or model.family
    kind = type(model).__name__
    if (found := family_of(tensors)) not in (None, family):
        raise InputError(
            f"{source} holds tensors of a network of family {found!r}, and this "
            f"{kind} is of {model.family!r}; build it with family={found!r}, or the "
            f"whole network by LRASPP.from_preset."
        )
    ours = _reference_shapes(model, family)
    theirs = {
        canonical_name(name, family): value.shape for name, value in tensors.items()
    }
    if len(theirs) < len(tensors):
        raise InputError(f"{source} has several tensors for one place in the model.")
    for name, value in tensors.items():
        if name.endswith(_VARIANCES) and (value < 0).any():
            raise InputError(
                f"{source} has negative variances in {name[:200]}, which make scores "
                f"that are not finite; take another file."
            )
    both = [name for name in ours if name in theirs and name not in skip]
    mismatched = tuple(
        f"{name} {theirs[name]} in the file, {ours[name]} here"
        for name in both
        if theirs[name] != ours[name]
    )
    report = ImportReport(
        loaded=tuple(name for name in both if theirs[name] == ours[name]),
        unused=tuple(name for name in theirs if name not in ours or name in skip),
        missing=tuple(name for name in ours if name not in theirs),
        mismatched=mismatched,
    )
    wrong = _unexpected(report, model, theirs, skip, family)
    if strict and any(wrong):
        raise InputError(
            f"{source} does not hold the weights of this {kind}: "
            f"{_describe(wrong)}. Choose the variant and number of classes of the "
            f"file; strict=False would load what fits."
        )
    return report


def _reference_shapes(model: keras.Model, family: str) -> dict[str, tuple[int, ...]]:
    """Returns the reference's shapes, with the biases that we fold into a mean."""
    shapes = {}
    for row in reference_tensors(model, family):
        shapes[row.name] = row.shape
        if row.minus is not None:
            shapes[row.minus] = row.shape
    return shapes


def _unexpected(report: ImportReport, model, theirs, skip, family) -> ImportReport:
    """Keeps of a report what should not be in it."""
    whole_file = any(is_head(name, family) for name in theirs)
    whole_model = hasattr(model, "backbone")
    # A backbone's file may have a classifier, a whole network's a head for a backbone.
    return report._replace(
        loaded=(),
        unused=tuple(
            name
            for name in report.unused
            if (whole_file and whole_model or is_backbone(name, family))
            and name not in skip
        ),
        missing=tuple(
            name for name in report.missing if whole_file or not is_head(name, family)
        ),
    )


def _describe(wrong: ImportReport) -> str:
    return "; ".join(
        f"{text} {abbreviate(name[:200] for name in names)}"
        for text, names in (
            ("tensors that differ:", wrong.mismatched),
            ("it lacks", wrong.missing),
            ("it also has", wrong.unused),
        )
        if names
    )
