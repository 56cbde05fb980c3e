"""A network as one `.keras` file that says what its classes are."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import keras

from keras_lraspp.classes import ClassSet
from keras_lraspp.files import replacing
from keras_lraspp.models import LRASPP
from keras_lraspp.models.variants import variant_of
from keras_lraspp.runs.classes import CARD


def save_network(
    network: keras.Model,
    path: Path,
    classes: ClassSet,
    members: Mapping[str, bytes] | None = None,
    **notes: object,
) -> Path:
    """Writes a network without its optimizer, crash-safely.

    `LRASPP.from_preset` and `load_weights` read the file; beside what Keras writes it
    has a card, `CARD`, with the classes, the variant and the notes.

    Args:
        network: A model that is not compiled.
        path: The `.keras` file to write or replace.
        classes: Names and colours of its classes.
        members: Content of further files in the archive, by name.
        **notes: What else to put on the card: numbers and words.

    Returns:
        `path`.

    Raises:
        StorageError: If it cannot be written.
    """
    variant = variant_of(network) if isinstance(network, LRASPP) else None
    card = {
        "classes": classes.names,
        "palette": classes.palette,
        "variant": variant.name if variant else None,
        **notes,
    }
    with replacing(path) as temporary:
        network.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            for name, content in {CARD: json.dumps(card), **(members or {})}.items():
                archive.writestr(name, content)
    return path
