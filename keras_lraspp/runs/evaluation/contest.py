"""What one evaluation scores: a model, by three protocols, or against another."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from keras_lraspp.data.dataset import Samples
from keras_lraspp.devices import precision_policy
from keras_lraspp.errors import InputError
from keras_lraspp.inference.labels import LabelFunction
from keras_lraspp.inference.nested import nested_label_function
from keras_lraspp.inference.options import DEFAULT, InferenceOptions
from keras_lraspp.metrics import ImageConfusion
from keras_lraspp.predictors import is_exported
from keras_lraspp.runs.evaluation.comparison import comparison_report, comparison_scores
from keras_lraspp.runs.evaluation.entrants import entrant, other_model, own_model
from keras_lraspp.runs.evaluation.protocol import (
    COLUMNS,
    protocol_report,
    protocol_scores,
)

PUBLISHED = "published"


@dataclass(kw_only=True)
class Contest:
    """Predictions that are scored side by side, each with its confusion matrix.

    Attributes:
        predict: From images (B, H, W, 3) to one (B, H, W) per confusion matrix; the
            first is the one that is reported in full.
        confusions: One per prediction.
        model: The network that is evaluated; `None` for an exported file.
        options: What is done beside one pass over the image.
        protocol: `"published"` or `None`.
        compare: Weights of the other model, or `None`.
    """

    predict: Callable[[np.ndarray], Sequence[np.ndarray]]
    confusions: list[ImageConfusion]
    model: keras.Model | None
    options: InferenceOptions
    protocol: str | None
    compare: str | None

    @classmethod
    def prepare(
        cls,
        factory: Callable[..., keras.Model],
        images: Samples,
        weights: str | Path,
        options: InferenceOptions,
        protocol: str | None,
        compare: str | Path | None,
        precision: str,
    ) -> "Contest":
        """Builds the networks and loads their weights; see `evaluate`.

        Raises:
            InputError: For weights that do not fit, or arguments that do not go
                together.
        """
        _check(options, protocol, compare)
        classes = images.num_classes
        if protocol and is_exported(weights):
            raise InputError(
                f"--protocol averages over passes, and {weights} is an exported file, "
                f"which sees the image once; give the .keras file."
            )
        with precision_policy(precision):
            model, labels = entrant(own_model, factory, weights, classes, options)
            others = []
            if compare:
                _, other = entrant(other_model, factory, compare, classes, options)
                others = [other]
        if protocol:
            predict = nested_label_function(model, [row.options for row in COLUMNS])
        else:
            predict = _each([labels, *others])
        count = len(COLUMNS) if protocol else 2 if compare else 1
        return cls(
            predict=predict,
            confusions=[
                ImageConfusion(classes, images.ignore_label) for _ in range(count)
            ],
            model=model,
            options=options,
            protocol=protocol,
            compare=str(compare) if compare else None,
        )

    def notes(self) -> dict:
        """Returns what was done, as JSON has it."""
        options = asdict(self.options).items()
        listed = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in options
        }
        return {"options": listed}

    def scores(self, images: Samples, absent: str) -> dict:
        """Returns the scores beside those of the first prediction.

        Args:
            images: The data set.
            absent: A key of `ABSENT`.
        """
        found = {}
        if self.protocol:
            mious = [confusion.miou(absent) for confusion in self.confusions]
            found["protocol"] = protocol_scores(mious, self.model, images)
        if self.compare:
            compared = comparison_scores(*self.confusions, images.classes, absent)
            found["compare"] = {"weights": self.compare, **compared}
        return found

    def report(self, scores: dict) -> str:
        """Writes what `scores` returned for people; empty if that is nothing."""
        parts = []
        if self.protocol:
            parts.append(protocol_report(scores["protocol"]))
        if self.compare:
            parts.append(comparison_report(scores["compare"], self.compare))
        return "".join(f"\n{part}\n" for part in parts)


def _check(options, protocol, compare) -> None:
    if protocol not in (None, PUBLISHED):
        raise InputError(
            f"The only protocol is {PUBLISHED!r}, not {protocol!r}; correct it."
        )
    if protocol and compare:
        raise InputError(
            "--protocol scores one model three times and --compare two models once; "
            "leave out one of them."
        )
    if protocol and options != DEFAULT:
        raise InputError(
            "--protocol=published has its own flip and scales; leave out --flip, "
            "--scales, --sliding_window and --stride."
        )


def _each(predictions: Sequence[LabelFunction]):
    return lambda images: [predict(images) for predict in predictions]
