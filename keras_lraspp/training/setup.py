"""What a training is told of its network, its data and its steps."""

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras

from keras_lraspp.data import check_dataset, training_batches
from keras_lraspp.data.dataset import Dataset, open_dataset
from keras_lraspp.data.pipeline_errors import input_errors
from keras_lraspp.devices import (
    all_devices,
    compute_deterministically,
    precision_policy,
)
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import load_weights
from keras_lraspp.run_dir.folder import CheckpointFolder, TrainingState
from keras_lraspp.training.ema import BATCHES, WeightAverages
from keras_lraspp.training.multihost import SINGLE_HOST, Hosts
from keras_lraspp.training.optimizer import (
    check_devices,
    exclude_backbone_batch_norm,
    freeze,
    optimizer_options,
)


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setup:
    """A recipe with all that it names made.

    Attributes:
        recipe: What it was made from.
        network: Compiled, its optimizer built.
        averages: The averages of its weights; `None` if the recipe wants none.
        schedule: Learning rate by step, for the batch as it is.
        batch_size: Images per step, over all devices; an update of the weights has
            `recipe.accumulation` times as many.
        training_set: What it learns from.
        validation_set: What it is evaluated on.
    """

    recipe: Recipe
    network: keras.Model
    averages: WeightAverages | None
    schedule: keras.optimizers.schedules.LearningRateSchedule
    batch_size: int
    training_set: Dataset
    validation_set: Dataset

    def batches(self, start_step: int = 0, hosts: Hosts = SINGLE_HOST) -> Iterable:
        """Opens the training batches, see `training_batches`.

        Args:
            start_step: Number of batches to leave out.
            hosts: The processes that share each batch.

        Raises:
            InputError: If the crop is too small for the network, or the training set
                is a part of one already.
        """
        if hosts.is_multi and getattr(self.training_set, "hosts", 1) > 1:
            raise InputError(
                "With --processes each process takes its part of every batch by "
                "itself; leave out Shards.hosts and Shards.host."
            )
        batches = training_batches(
            self.training_set,
            transform=self.recipe.transform(**_ignored(self.training_set)),
            batch_size=self.batch_size,
            seed=self.recipe.seed,
            start_step=start_step,
            host=(hosts.index, hosts.count),
        )
        _check_crop(self.network, batches.element_spec[0].shape)
        return batches


def open_sets(recipe: Recipe, *, progress: bool = True) -> tuple[Dataset, Dataset]:
    """Lists and checks the training set and the validation set.

    Args:
        recipe: Names the data.
        progress: Whether to show how far the check is.

    Raises:
        InputError: For bad data.
    """
    training_set, validation_set = (
        check_dataset(
            open_dataset(recipe.dataset, recipe.data_root, split),
            corrupt=recipe.corrupt,
            progress=progress,
        )
        for split in ("train", "val")
    )
    return training_set, validation_set


@contextlib.contextmanager
def set_up(recipe: Recipe, sets: tuple[Dataset, Dataset]) -> Iterator[Setup]:
    """Makes what a recipe names, for use inside.

    Precision and devices hold inside, and errors in files are readable ones.

    Args:
        recipe: What to make.
        sets: The training set and the validation set.

    Yields:
        What was made.

    Raises:
        InputError: For a bad configuration; from inside, for bad files.
    """
    training_set, validation_set = sets
    options = optimizer_options(recipe.ema_momentum, recipe.accumulation)
    if recipe.deterministic:
        compute_deterministically()
    with (
        input_errors(),
        precision_policy(recipe.precision),
        all_devices(recipe.devices) as devices,
    ):
        keras.utils.set_random_seed(recipe.seed)
        network = recipe.model(num_classes=training_set.num_classes)
        freeze(network, recipe.frozen)
        batch_size = recipe.batch_size * devices
        images = batch_size * recipe.accumulation  # of one update
        schedule = recipe.schedule(
            learning_rate=recipe.learning_rate * images / recipe.reference_batch,
            iterations=recipe.iterations,
        )
        optimizer = recipe.optimizer(learning_rate=schedule, **options)
        check_devices(optimizer, devices)
        compile_network(network, recipe.loss(**_ignored(training_set)), optimizer)
        yield Setup(
            recipe=recipe,
            network=network,
            averages=_averages(recipe, network, training_set),
            schedule=schedule,
            batch_size=batch_size,
            training_set=training_set,
            validation_set=validation_set,
        )


def _averages(
    recipe: Recipe, network: keras.Model, training_set: Dataset
) -> WeightAverages | None:
    if recipe.ema_momentum is None:
        return None
    # Of one device: so each process can look at them by itself.
    batches = training_batches(
        training_set,
        transform=recipe.transform(**_ignored(training_set)),
        batch_size=recipe.batch_size,
        seed=recipe.seed,
    )
    images = batches.map(lambda images, _: images).take(BATCHES)
    return WeightAverages(network, images.as_numpy_iterator)


def compile_network(
    network: keras.Model,
    loss: keras.losses.Loss,
    optimizer: keras.optimizers.Optimizer,
) -> None:
    """Compiles a network for training and builds its optimizer."""
    exclude_backbone_batch_norm(optimizer, network)
    # On TensorFlow "auto" would mean XLA: measured nine times slower on a CPU.
    jit_compile = False if keras.backend.backend() == "tensorflow" else "auto"
    network.compile(optimizer=optimizer, loss=loss, jit_compile=jit_compile)
    network.optimizer.build(network.trainable_variables)  # slots to restore into


def _ignored(dataset: Dataset) -> dict:
    return {"ignore_label": dataset.ignore_label}


def _check_crop(network, shape) -> None:
    smallest = getattr(network, "smallest_side", 1)
    if min(shape[1:3]) < smallest:
        raise InputError(
            f"The crop of {shape[1]}x{shape[2]} is too small for this variant, whose "
            f"smallest side is {smallest}; raise recipe_transform.crop_size."
        )


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


class Course(NamedTuple):
    """After how many steps what happens; arguments of `train`, by their names."""

    eval_interval: int
    save_interval: int
    log_interval: int
    eval_batch_size: int  # images per evaluation step
    patience: int | None = None  # evaluations without a better mIoU
