"""Initial weights for a short training from scratch."""

import keras


def initialize_for_scratch(model: keras.Model) -> None:
    """Draws initial weights that a few hundred steps get further from.

    The reference draws every kernel from N(0, sqrt(2 / fan_in)), which is meant to be
    replaced by weights from ImageNet. Here kernels come from Glorot and Bengio's
    uniform distribution. It is narrower where channels are widened, and behind a batch
    norm a smaller kernel learns faster at the same rate. And each residual block starts
    as the identity, by a scale of 0 in its last batch norm (Goyal et al.,
    https://arxiv.org/abs/1706.02677, section 5.1).

    Args:
        model: An `LRASPP` or a `MobileNetV3`, which is changed.
    """
    backbone = getattr(model, "backbone", model)
    for layer in (*backbone.layers, *model.layers):
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            # One initializer draws the same numbers for equal shapes.
            draw = keras.initializers.GlorotUniform()
            layer.kernel.assign(draw(layer.kernel.shape))
        elif isinstance(layer, keras.layers.Add):
            block = layer.name.removesuffix("_add")
            scale = backbone.get_layer(f"{block}_project_bn").gamma
            scale.assign(keras.ops.zeros(scale.shape))
