"""Stand-ins for the published networks: four blocks, and weights without a download."""

import numpy as np

from keras_lraspp import LRASPP
from keras_lraspp.models.families import FAMILIES, LAST_CONV, STEM
from keras_lraspp.models.mobilenet_v3 import BLOCKS, Block
from keras_lraspp.models.tensor_names import reference_tensors

FEW_BLOCKS = (
    Block(3, 16, 8, False, False, 2),
    Block(3, 16, 8, True, True, 2),
    Block(3, 16, 8, False, True, 2),
    Block(3, 16, 16, True, True, 2),
)


def with_few_blocks(monkeypatch) -> None:
    """Makes every backbone one of four narrow blocks, which compile in no time."""
    for name in BLOCKS:
        monkeypatch.setitem(BLOCKS, name, FEW_BLOCKS)
    for name, family in FAMILIES.items():
        indices = (STEM, 0, 1, 2, LAST_CONV) if family.last_conv else (0, 1, 2, 3)
        taps = dict.fromkeys(BLOCKS, indices)
        monkeypatch.setitem(FAMILIES, name, family._replace(taps=taps))


def published_tensors(num_classes: int = 19) -> dict[str, np.ndarray]:
    """Random tensors under the reference's names, for the network as it is patched."""
    rng = np.random.default_rng(0)
    tensors = {}
    for row in reference_tensors(LRASPP(num_classes)):
        for name in filter(None, (row.name, row.minus)):
            tensors[name] = rng.uniform(0.1, 0.3, row.shape).astype("float32")
    return tensors
