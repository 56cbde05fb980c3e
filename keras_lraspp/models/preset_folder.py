"""Preset folders: weights, classes, scores and a model card, as the Hub shows them."""

import datetime
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

import keras_lraspp
from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import put_in_place, staging
from keras_lraspp.models.graph_model import float32_copy
from keras_lraspp.models.keras_file import class_card, load_weights, open_weights
from keras_lraspp.schema import Index, Name, Share, check_call
from keras_lraspp.weights.hub import (
    MODEL_CARD,
    UNKNOWN_ADDRESS,
    read_preset_folder,
    upload_folder,
)
from keras_lraspp.weights.keras_archive import (
    CARD_MEMBER,
    CONFIG_MEMBER,
    METADATA_MEMBER,
    WEIGHTS_MEMBER,
    KerasArchive,
)

_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


class MeasuredScore(NamedTuple):
    """The score that a training measured, on the card of its `best.keras`."""

    dataset: Name
    miou: Share  # on the validation set
    step: Index


def upload_preset(uri: str, preset: str | Path) -> str:
    """Uploads a preset folder to the Hugging Face Hub.

    `LRASPP.save_to_preset` writes such a folder. The repository is made if it is not
    there yet; a model card that it has is kept, all other files are replaced in one
    commit. Log in with `hf auth login` before.

    Args:
        uri: `hf://user/name`; `hf://name` for one's own account.
        preset: The folder.

    Returns:
        The address that `LRASPP.from_preset` takes.

    Raises:
        InputError: If the folder is missing or damaged, for another address, or if the
            package `huggingface_hub` is missing.
        StorageError: If it cannot be uploaded.

    Example:
        ```python
        model.save_to_preset("streets")
        keras_lraspp.upload_preset("hf://user/streets", "streets")
        ```
    """
    folder = Path(os.path.expanduser(preset))
    read_preset_folder(folder)
    return upload_folder(uri, folder, "Upload a keras_lraspp preset")


def save_preset_folder(
    model: keras.Model, folder: str | Path, license: str | None = None
) -> Path:
    """Writes a preset folder; see `LRASPP.save_to_preset`."""
    check_call("save_to_preset", save_preset_folder, {"folder": folder})
    if license is not None and not (
        isinstance(license, str) and _LICENSE.fullmatch(license)
    ):
        raise InputError(
            f"license is an identifier of the Hugging Face Hub, such as 'apache-2.0' "
            f"or 'cc-by-4.0', not {str(license)[:100]!r}."
        )
    folder = Path(os.path.expanduser(folder))
    copy = float32_copy(model)  # without its optimizer
    weights = copy.get_weights()
    score = _find_score(model.source, copy)
    copy.set_weights(weights)
    texts = {
        CONFIG_MEMBER: _json(_config(copy)),
        METADATA_MEMBER: _json(_metadata(copy)),
    }
    if model.classes is not None:
        notes = score._asdict() if score else {}
        texts[CARD_MEMBER] = _json(class_card(copy, model.classes, **notes))
    if not (folder / MODEL_CARD).exists():  # its author may have written into it
        title = folder.absolute().name
        texts[MODEL_CARD] = _model_card(copy, title, model.classes, score, license)
    with staging(folder) as hidden:
        copy.save_weights(hidden / WEIGHTS_MEMBER)
        for name, text in texts.items():
            (hidden / name).write_text(text, encoding="utf-8")
        for name in (WEIGHTS_MEMBER, *texts):
            put_in_place(hidden / name, folder / name)
        if CARD_MEMBER not in texts:  # of other weights
            (folder / CARD_MEMBER).unlink(missing_ok=True)
    return folder


def _find_score(source: Path | None, model: keras.Model) -> MeasuredScore | None:
    """Returns the score in the file of a model's weights, if they are still those.

    The model gets the file's weights.
    """
    if source is None:
        return None
    try:
        archive = open_weights(source)
        if not isinstance(archive, KerasArchive):
            return None
        score = archive.read_json(CARD_MEMBER, MeasuredScore, extra=True)
        weights = model.get_weights()
        load_weights(model, archive)
    except (InputError, StorageError):  # gone, replaced, or written by no training
        return None
    pairs = zip(weights, model.get_weights(), strict=True)
    return score if all(np.array_equal(*pair) for pair in pairs) else None


def _json(content: dict) -> str:
    return json.dumps(content, indent=4) + "\n"


def _config(model: keras.Model) -> dict:
    """Returns class and arguments, as Keras and keras-hub write them."""
    config = keras.saving.serialize_keras_object(model)
    return {key: config[key] for key in config if not key.endswith("_config")}


def _metadata(model: keras.Model) -> dict:
    now = datetime.datetime.now()
    return {
        "keras_version": keras.__version__,
        "keras_lraspp_version": keras_lraspp.__version__,
        "parameter_count": model.count_params(),
        "date_saved": now.strftime("%Y-%m-%d@%H:%M:%S"),
    }


def _model_card(
    model: keras.Model,
    title: str,
    classes: ClassSet | None,
    score: MeasuredScore | None,
    license: str | None,
) -> str:
    """Writes `README.md`: front matter that the Hub reads, and a page for people."""
    parts = [
        "\n".join(["---", *_front_matter(title, score, license), "---"]),
        f"# {title}",
        f"Semantic segmentation in {model.num_classes} classes: MobileNetV3 with the "
        "Lite Reduced ASPP head (LR-ASPP), for Keras 3 on TensorFlow, JAX and "
        "PyTorch, by keras_lraspp.",
        "## Use",
        "```python\nimport keras_lraspp\n\n"
        f'segmenter = keras_lraspp.Segmenter("{UNKNOWN_ADDRESS}")\n'
        'labels = segmenter("photo.jpg")\n'
        'picture = segmenter.overlay("photo.jpg", legend=True)\n```',
        "The network alone, also to fine-tune it on other classes with `num_classes`:",
        f'```python\nmodel = keras_lraspp.LRASPP.from_preset("{UNKNOWN_ADDRESS}")\n```',
        f"It takes pixels 0 to 255, (B, H, W, {model.input_shape[-1]}), of any size, "
        f"and returns logits (B, H, W, {model.num_classes}).",
        "## Scores",
        _score_text(score),
        "## Network",
        _network_table(model),
        "## Classes",
        _class_table(model.num_classes, classes),
        "## Licence",
        f"{license}." if license else "The author has not named one.",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(
    title: str, score: MeasuredScore | None, license: str | None
) -> list[str]:
    lines = [
        "library_name: keras",
        "pipeline_tag: image-segmentation",
        "tags:",
        *(f"- {tag}" for tag in ("keras-lraspp", "semantic-segmentation", "mobilenet")),
    ]
    if license:
        lines.append(f"license: {license}")
    if score:
        # Text in quotes: JSON's are YAML's.
        lines += [
            "model-index:",
            f"- name: {json.dumps(title)}",
            "  results:",
            "  - task:",
            "      type: image-segmentation",
            "    dataset:",
            f"      name: {json.dumps(score.dataset)}",
            f"      type: {json.dumps(score.dataset)}",
            "      split: validation",
            "    metrics:",
            "    - type: mean_iou",
            "      name: mIoU",
            f"      value: {score.miou:.4f}",
        ]
    return lines


def _score_text(score: MeasuredScore | None) -> str:
    if score is None:
        return "None is known of these weights."
    return (
        f"mIoU **{score.miou:.4f}** on the validation set of the data set "
        f"{_escape(score.dataset)}, at full size, after {score.step} training steps: "
        f"the best of that training's evaluations."
    )


def _network_table(model: keras.Model) -> str:
    rows = {
        "backbone": f"MobileNetV3 {model.backbone.variant}",
        "width": model.backbone.width,
        "output stride": model.backbone.output_stride,
        "pooling": model.pooling,
        "head filters": model.head_filters,
        "family": model.family,
        "parameters": f"{model.count_params():,}".replace(",", " "),
    }
    return _table(("", ""), rows.items())


def _class_table(number: int, classes: ClassSet | None) -> str:
    if classes is None:
        return f"{number}; their names are not known."
    rows = (
        (label, _escape(name), "#{:02x}{:02x}{:02x}".format(*color))
        for label, (name, color) in enumerate(zip(*classes, strict=True))
    )
    return _table(("label", "class", "colour"), rows)


def _table(head, rows) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _escape(text: str) -> str:
    """Makes a name plain text in Markdown, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", " ".join(text.split()))
