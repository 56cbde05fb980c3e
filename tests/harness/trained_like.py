"""A network whose weights look trained: no batch norm of it does nothing."""

import numpy as np

from keras_lraspp import LRASPP


def trained_like(num_classes=5, seed=0, **arguments) -> LRASPP:
    """A small, narrow `LRASPP` with random batch-norm statistics and biases."""
    settings = {"backbone": "small", "width": 0.35, "head_filters": 16, **arguments}
    model = LRASPP(num_classes, **settings)
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        shape = tuple(variable.shape)
        if variable.name == "moving_variance":
            variable.assign(rng.uniform(0.5, 2, shape))
        elif variable.name == "gamma":
            variable.assign(rng.normal(1, 0.2, shape))
        elif len(shape) == 1:
            variable.assign(rng.normal(0, 0.3, shape))
        else:
            variable.assign(rng.normal(0, 1.4 / np.sqrt(np.prod(shape[:-1])), shape))
    depthwise = [w for w in model.variables if "depthwise" in w.path and w.ndim == 4]
    for variable in depthwise:
        side, _, channels, _ = variable.shape
        variable.assign(rng.normal(0, 1.4 / side, (side, side, channels, 1)))
    return model
