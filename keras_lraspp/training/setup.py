"""Training setup: compile the network, check it, restore a checkpoint."""

import json
import tempfile
import warnings
from functools import partial
from pathlib import Path

import keras

from keras_lraspp.data.dataset import (
    SegmentationDataset,
    channels_of,
    check_model_channels,
)
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import load_weights
from keras_lraspp.models.loading import ModelFactory, call_factory
from keras_lraspp.run_dir.best_model import BEST, BEST_EMA, find_best
from keras_lraspp.run_dir.folder import CheckpointFolder, TrainingState, read_state
from keras_lraspp.training.multihost import Hosts
from keras_lraspp.training.optimizer import exclude_backbone_batch_norm


def make_network(model: ModelFactory, dataset: SegmentationDataset) -> keras.Model:
    """Calls a model's factory for the classes and channels of a data set.

    Raises:
        InputError: If the network takes another number of channels.
    """
    network = call_factory(model, dataset.num_classes, channels_of(dataset))
    found = getattr(network, "input_shape", None)
    if isinstance(found, tuple) and found[-1] is not None:
        check_model_channels("The network", found[-1], dataset)
    return network


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


def check_crop(network: keras.Model, height: int, width: int) -> None:
    """Checks that the network can take crops of this size."""
    smallest = getattr(network, "smallest_side", 1)
    if min(height, width) < smallest:
        raise InputError(
            f"The crop of {height}x{width} is too small for this variant, whose "
            f"smallest side is {smallest}; raise recipe_transform.crop_size."
        )


def restore_checkpoint(
    network: keras.Model, checkpoints: CheckpointFolder, hosts: Hosts
) -> TrainingState:
    """Fills a compiled network and its optimizer from the newest whole checkpoint.

    Of several processes, process 0 alone reads the folder, which need not be on a disk
    that all machines see; the others get the file over the network.
    """
    load = partial(_load_checkpoint, network)
    with warnings.catch_warnings():
        # Keras would go on with an optimizer that begins anew.
        warnings.filterwarnings("error", message="Skipping variable loading for opt")
        if hosts.is_multi:
            state = _restore_from_main(load, checkpoints, hosts)
        else:
            state = checkpoints.restore(load)
    if state is None:
        folder = checkpoints.folder
        hosts.print(f"nothing to resume in {folder}: starting from the beginning")
        return TrainingState()
    hosts.print(f"resuming after iteration {state.step}")
    return state


def _restore_from_main(
    load, checkpoints: CheckpointFolder, hosts: Hosts
) -> TrainingState | None:
    newest = []
    with hosts.raise_together():
        if hosts.is_main:
            checkpoints.restore(newest.append)
    content = hosts.broadcast(newest[0].read_bytes() if newest else b"")
    if not content:
        return None
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "checkpoint.keras")
        copy.write_bytes(content)
        with hosts.local_scope():
            load(copy)
            return read_state(copy)


def restore_best(state: TrainingState, folder: Path, hosts: Hosts) -> TrainingState:
    """Takes the best scores from the best models themselves, on process 0.

    They may be newer than the checkpoint, or damaged; then the weights as they are
    become the best by the next evaluation.
    """
    found = []
    with hosts.raise_together():
        if hosts.is_main:
            found += find_best(folder / BEST, state.best_miou)
            found += find_best(folder / BEST_EMA, state.best_ema_miou)
    step, miou, step_ema, miou_ema = json.loads(
        hosts.broadcast(json.dumps(found).encode())
    )
    lost = miou is None and state.best_miou is not None
    return state._replace(
        evaluated_step=0 if lost else state.evaluated_step,
        best_step=step,
        best_miou=miou,
        best_ema_step=step_ema,
        best_ema_miou=miou_ema,
    )


def _load_checkpoint(network: keras.Model, path: Path) -> None:
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
