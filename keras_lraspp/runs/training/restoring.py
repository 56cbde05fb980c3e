"""A training as its newest checkpoint has it."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras

from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import load_weights
from keras_lraspp.training.checkpoints import CheckpointFolder, TrainingState


def restore(
    network: keras.Model, checkpoints: CheckpointFolder, say: Callable[[str], None]
) -> TrainingState:
    """Fills a compiled network and its optimizer from the newest whole checkpoint.

    Args:
        network: Compiled, its optimizer built.
        checkpoints: Where to look.
        say: Takes a line about what was found.

    Returns:
        Where training stands; its beginning if there is no checkpoint.

    Raises:
        InputError: If no checkpoint is whole, or it does not fit.
    """
    with warnings.catch_warnings():
        # Keras would go on with an optimizer that begins anew.
        warnings.filterwarnings("error", message="Skipping variable loading for opt")
        state = checkpoints.restore(partial(_load, network))
    if state is None:
        said = f"nothing to resume in {checkpoints.folder}: starting from the beginning"
    else:
        said = f"resuming after iteration {state.step}"
    say(said)
    return state or TrainingState()


def _load(network: keras.Model, path: Path) -> None:
    try:
        load_weights(network, path)
    except InputError as error:
        if "Skipping variable loading" not in str(error):
            raise
        raise InputError(
            f"{path} has the state of another optimizer; resume with the optimizer, "
            f"train.precision, ema_momentum, accumulation and frozen that it was "
            f"trained with."
        ) from error
