"""Parts of a network that training leaves as they are."""

from collections.abc import Iterable, Iterator

import keras

from keras_lraspp.errors import InputError

PARTS = ("backbone", "batch_norm")


def freeze(network: keras.Model, parts: Iterable[str]) -> None:
    """Takes parts of a network out of training, before it is compiled.

    A frozen batch norm normalises with its running statistics, in training too, and
    they do not move.

    Args:
        network: The network.
        parts: Of `PARTS`. `"backbone"` is the network's attribute of this name with
            its batch norms, `"batch_norm"` is all batch norms.

    Raises:
        InputError: For another name, or for `"backbone"` of a network without.
    """
    parts = (parts,) if isinstance(parts, str) else tuple(parts)
    for part in parts:
        if part not in PARTS:
            raise InputError(
                f"train.frozen is made of {' and '.join(PARTS)}, not {part!r}; "
                f"correct it."
            )
    if "backbone" in parts:
        backbone = getattr(network, "backbone", None)
        if not isinstance(backbone, keras.Model):
            raise InputError(
                f"{network.name} has no backbone to freeze; take it out of "
                f"train.frozen."
            )
        backbone.trainable = False
    if "batch_norm" in parts:
        for layer in _batch_norms(network):
            layer.trainable = False


def _batch_norms(network: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _batch_norms(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield layer
