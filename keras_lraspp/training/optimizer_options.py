"""What a training asks of its optimizer beyond the learning rate."""

import keras

from keras_lraspp.errors import InputError
from keras_lraspp.training.base_optimizer import BaseOptimizer


def optimizer_options(ema_momentum: float | None, accumulation: int) -> dict:
    """Returns Keras's arguments for averages of weights and sums of gradients.

    Args:
        ema_momentum: Share of the old average, in (0, 1); `None` for no average.
        accumulation: Batches to an update, at least 1.

    Raises:
        InputError: For numbers out of range.
    """
    options = {}
    if ema_momentum is not None:
        if not 0 < ema_momentum < 1:
            raise InputError(
                f"train.ema_momentum is between 0 and 1, as 0.999, not {ema_momentum}; "
                f"correct it, or None for no average."
            )
        options |= {"use_ema": True, "ema_momentum": float(ema_momentum)}
    if accumulation < 1:
        raise InputError(
            f"train.accumulation is a number of batches from 1, not {accumulation}; "
            f"correct it."
        )
    if accumulation > 1:
        options["gradient_accumulation_steps"] = accumulation
    return options


def check_devices(optimizer: keras.optimizers.Optimizer, devices: int) -> None:
    """Checks that an optimizer does on several devices what it was asked for.

    Raises:
        InputError: For one of Keras that is to accumulate on several of TensorFlow's.
    """
    if not optimizer.gradient_accumulation_steps or devices == 1:
        return
    ours = isinstance(optimizer, BaseOptimizer)
    if keras.backend.backend() == "tensorflow" and not ours:
        raise InputError(
            f"{type(optimizer).__name__} cannot accumulate gradients on {devices} "
            f"devices of TensorFlow; train with SGD of keras_lraspp, without "
            f"train.accumulation, or on one device."
        )
