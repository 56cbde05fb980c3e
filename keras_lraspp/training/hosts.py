"""The processes of one training, and what they say to each other."""

import contextlib
import dataclasses
from collections.abc import Iterator

import keras
import numpy as np

from keras_lraspp.errors import DivergedError, InputError, StorageError, UserError

_ERRORS = {kind.exit_code: kind for kind in (InputError, StorageError, DivergedError)}


@dataclasses.dataclass(frozen=True)
class Hosts:
    """All processes of a training, as one of them sees them.

    What exchanges something is called by all processes in the same order, as every
    collective operation; each call waits for the slowest. With one process nothing
    is exchanged, and nothing waits.

    Attributes:
        count: How many processes there are.
        index: Which one this is, from 0.
    """

    count: int = 1
    index: int = 0

    @property
    def several(self) -> bool:
        """Whether there is more than one process."""
        return self.count > 1

    @property
    def first(self) -> bool:
        """Whether this is process 0, the one that writes."""
        return self.index == 0

    def gather(self, content: bytes) -> list[bytes]:
        """Returns what each process gave, in their order."""
        if not self.several:
            return [content]
        from jax.experimental.multihost_utils import process_allgather

        # Bytes, because JAX would make 32 bits of 64.
        sizes = process_allgather(np.int32(len(content))).tolist()
        padded = np.zeros(max(sizes), np.uint8)
        padded[: len(content)] = np.frombuffer(content, np.uint8)
        if not padded.size:
            return [b""] * self.count
        rows = process_allgather(padded)
        return [row[:size].tobytes() for row, size in zip(rows, sizes, strict=True)]

    def largest(self, value: int) -> int:
        """Returns the largest of the processes' values, which fit into 32 bits."""
        if not self.several:
            return value
        from jax.experimental.multihost_utils import process_allgather

        return int(process_allgather(np.int32(value)).max())

    def broadcast(self, content: bytes = b"") -> bytes:
        """Returns what process 0 gave; the others' content does not matter."""
        if not self.several:
            return content
        from jax.experimental.multihost_utils import broadcast_one_to_all

        values = np.frombuffer(content, np.uint8)
        size = int(broadcast_one_to_all(np.int32(len(values))))
        if not size:
            return b""
        values = values if self.first else np.zeros(size, np.uint8)
        return np.asarray(broadcast_one_to_all(values), np.uint8).tobytes()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Makes an error of one process in this block one of all processes.

        Without, the others would wait for the one that ended.

        Raises:
            UserError: The own one, or of the same kind that of another process.
        """
        if not self.several:
            yield
            return
        own = None
        try:
            yield
        except UserError as error:
            own = error
        for error in [own, self._error_of_another(own)]:
            if error is not None:
                error.everywhere = True
                raise error

    def check_same(self, **values: int) -> None:
        """Checks that named numbers are the same on all processes.

        Raises:
            InputError: On all processes, naming the first that differs.
        """
        mine = ", ".join(f"{name} {value}" for name, value in values.items())
        everybody = [content.decode() for content in self.gather(mine.encode())]
        for index, theirs in enumerate(everybody):
            if theirs != everybody[0]:
                error = InputError(
                    f"Process {index} has {theirs}, but process 0 {everybody[0]}; "
                    f"start all with the same data and configuration."
                )
                error.everywhere = True
                raise error

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Lets what is built in this block belong to this process alone."""
        if not self.several:
            yield
            return
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)

    def _error_of_another(self, own: UserError | None) -> UserError | None:
        message = "" if own is None else f"{own.exit_code} {own}"
        for index, theirs in enumerate(self.gather(message.encode())):
            if theirs:
                code, _, text = theirs.decode().partition(" ")
                return _ERRORS[int(code)](f"Process {index}: {text}")
        return None


ONE = Hosts()
