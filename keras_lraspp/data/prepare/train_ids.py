"""One label of Cityscapes, from its labelIds or its polygons."""

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from keras_lraspp.classes import CITYSCAPES, cityscapes_lookup
from keras_lraspp.data.prepare.optional import need
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.files import write_whole
from keras_lraspp.images import MAX_PIXELS, decode, open_image

# The other packages that it asks for are those of its viewers.
_INSTALL = "pip install --no-deps cityscapesscripts pyquaternion"
_HIGHEST_ID = max(row.id for row in CITYSCAPES)


def need_rasterizer():
    """Imports cityscapesScripts' own drawing of polygons.

    Raises:
        InputError: If it is not installed.
    """
    need("cityscapesscripts.helpers.annotation", _INSTALL)
    return need("cityscapesscripts.preparation.json2labelImg", _INSTALL)


def write_train_ids(job: Sequence[str]) -> str | None:
    """Writes a label of trainIds.

    Args:
        job: Paths of the annotation, `*_labelIds.png` or `*_polygons.json`, and of the
            label to write.

    Returns:
        What is wrong with the annotation; `None` if the label was written.

    Raises:
        OSError: If the label cannot be written.
    """
    source, target = map(Path, job)
    read = _from_polygons if source.suffix == ".json" else _from_label_ids
    try:
        label = read(source)
    except InputError as error:
        return str(error)
    write_whole(target, lambda path: label.save(path, format="PNG"))
    return None


def _from_label_ids(path: Path) -> Image.Image:
    with open_image(path) as image:
        decode(path, image)
        if image.mode != "L":
            raise InputError(
                f"{path} has the pixel format {image.mode}, not 8-bit grey; unpack it "
                "again."
            )
        ids = np.asarray(image)
    if ids.max(initial=0) > _HIGHEST_ID:
        raise InputError(
            f"{path} holds {abbreviate(np.unique(ids[ids > _HIGHEST_ID]))}, which "
            "are no "
            f"labelIds (0..{_HIGHEST_ID}); unpack it again."
        )
    return Image.fromarray(cityscapes_lookup()[ids])


def _from_polygons(path: Path) -> Image.Image:
    scripts = need_rasterizer()
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
        if not 0 < found["imgHeight"] * found["imgWidth"] <= MAX_PIXELS:
            raise ValueError(f"{found['imgWidth']}x{found['imgHeight']} pixels")
        annotation = scripts.Annotation()
        annotation.fromJsonText(text)
        # It prints what it does not know, and leaves with sys.exit.
        with contextlib.redirect_stdout(io.StringIO()):
            return scripts.createLabelImage(annotation, "trainIds")
    except (Exception, SystemExit) as error:  # whatever a broken file leads to
        reason = "a label that is unknown" if isinstance(error, SystemExit) else error
        raise InputError(
            f"{path} is no annotation of Cityscapes ({type(error).__name__}: {reason})"
            "; unpack it again."
        ) from error
