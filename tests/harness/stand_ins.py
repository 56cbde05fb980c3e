"""Stand-ins for the published networks: four blocks, and weights without a download."""

import numpy as np

from keras_lraspp import LRASPP
from keras_lraspp.models.families import FAMILIES
from keras_lraspp.models.importing import reference_tensors
from keras_lraspp.models.mobilenet_v3 import BLOCKS, Block

FEW_BLOCKS = (
    Block(3, 16, 8, False, False, 2),
    Block(3, 16, 8, True, True, 2),
    Block(3, 16, 8, False, True, 2),
    Block(3, 16, 16, True, True, 2),
)


def with_few_blocks(monkeypatch) -> None:
    """Makes every backbone one of four narrow blocks, which compile in no time."""
    taps = dict.fromkeys(BLOCKS, (0, 1, 2, 3))
    for name in BLOCKS:
        monkeypatch.setitem(BLOCKS, name, FEW_BLOCKS)
    paddleseg = FAMILIES["paddleseg"]._replace(taps=taps)
    monkeypatch.setitem(FAMILIES, "paddleseg", paddleseg)


def published_tensors(num_classes: int = 19) -> dict[str, np.ndarray]:
    """Random tensors under the reference's names, for the network as it is patched."""
    rng = np.random.default_rng(0)
    tensors = {}
    for row in reference_tensors(LRASPP(num_classes)):
        for name in filter(None, (row.name, row.minus)):
            tensors[name] = rng.uniform(0.1, 0.3, row.shape).astype("float32")
    return tensors
