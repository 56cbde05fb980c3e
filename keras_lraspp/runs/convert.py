"""PaddleSeg's weights into a Keras file."""

from pathlib import Path

from keras_lraspp.classes import CLASS_SETS, generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import save_network
from keras_lraspp.models.lraspp import LRASPP


def convert(
    *, weights: str | Path, output: str | Path, variant: str | None = None
) -> Path:
    """Writes PaddleSeg's weights of a whole network as a `.keras` file.

    The file says its classes: those of Cityscapes if there are 19, else numbers.

    Args:
        weights: A `.pdparams` file, a folder or `.tar.gz` that holds
            `model.pdparams`, or the name of a published preset.
        output: The `.keras` file to write or replace.
        variant: Row of the table of variants that the weights belong to; needed
            where several have the same tensors.

    Returns:
        `output`.

    Raises:
        InputError: If the weights are damaged or belong to another network.
        StorageError: If they cannot be read or downloaded, or `output` not written.
    """
    output = Path(output)
    if not output.name.endswith(".keras"):
        raise InputError(f"The output is a .keras file, not {output}; rename it.")
    network = LRASPP.from_preset(weights, variant=variant)
    cityscapes = CLASS_SETS["cityscapes"]
    named = network.num_classes == len(cityscapes.names)
    classes = cityscapes if named else generic_class_set(network.num_classes)
    return save_network(network, output, classes, converted_from=Path(weights).name)
