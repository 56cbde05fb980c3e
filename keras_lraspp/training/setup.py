"""Training setup: compile the network, check it, restore a checkpoint."""

import tempfile
import warnings
from functools import partial
from pathlib import Path

import keras

from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import load_weights
from keras_lraspp.run_dir.folder import CheckpointFolder, TrainingState
from keras_lraspp.training.multihost import Hosts
from keras_lraspp.training.optimizer import exclude_backbone_batch_norm


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
        copy = CheckpointFolder(Path(temporary))
        (copy.folder / "step_00000000.keras").write_bytes(content)
        with hosts.local_scope():
            return copy.restore(load)


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
