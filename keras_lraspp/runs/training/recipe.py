"""What a training is told of its network, its data and its steps."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from keras_lraspp.data.dataset import Dataset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is trained, on what, and how: arguments of `train`, by their names."""

    model: Callable[..., keras.Model]
    dataset: Callable[..., Dataset]
    transform: Callable[..., Callable]
    loss: Callable[..., keras.losses.Loss]
    optimizer: Callable[..., keras.optimizers.Optimizer]
    schedule: Callable[..., keras.optimizers.schedules.LearningRateSchedule]
    iterations: int
    batch_size: int  # per device
    learning_rate: float
    reference_batch: int
    precision: str
    seed: int
    ema_momentum: float | None
    accumulation: int
    frozen: tuple[str, ...]
    deterministic: bool
    devices: Sequence[str] | None
    data_root: str | Path | None
    corrupt: str
