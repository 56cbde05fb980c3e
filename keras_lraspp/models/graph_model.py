"""Functional models that are saved as arguments, with what was changed on their layers.

`get_config` gives the constructor's arguments, `dtype` and `trainable` among them, and
as `layer_settings` what somebody set on single layers later: `trainable`, regularizers,
dtype policies. So a saved file keeps what that of a stock functional model keeps.
"""

import copy
import inspect
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras

from keras_lraspp.devices import policy_scope
from keras_lraspp.errors import InputError
from keras_lraspp.models.graph_parts import split_graph_in_parts
from keras_lraspp.models.tensorflow_graph import folds_on_tensorflow, run_on_tensorflow
from keras_lraspp.models.torch_graph import is_for_torch_cpu, run_on_torch

# On these backends: whether to run a graph past Keras, for inputs and a mode, and how.
_WAYS = {
    "tensorflow": (folds_on_tensorflow, run_on_tensorflow),
    "torch": (is_for_torch_cpu, run_on_torch),
}
_FLOATS = ("float16", "bfloat16", "float32", "float64")

Settings = Mapping[str, Mapping[str, Any]]  # by name of layer and of setting


def resolve_policy(name: str, dtype: Any) -> keras.DTypePolicy:
    """Returns the dtype policy of a model.

    Args:
        name: Of function and argument, for the message.
        dtype: What `keras.layers.Layer` takes: a name such as `"mixed_bfloat16"`, a
            policy, or a `keras.dtype_policies.DTypePolicyMap`; `None` for the global.

    Raises:
        InputError: For what is no policy of floats.
    """
    try:
        policy = keras.dtype_policies.get(dtype)
        if policy.compute_dtype in _FLOATS:
            return policy
        raise ValueError(f"it computes in {policy.compute_dtype}")
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InputError(
            f"{name} is a dtype policy such as 'float32', 'bfloat16' or "
            f"'mixed_float16', not {str(dtype)[:100]!r}; correct it."
        ) from error


def check_channels_last(name: str, input_shape: Any) -> None:
    """Raises `InputError` for a shape (channels, height, width)."""
    if not isinstance(input_shape, (list, tuple)) or len(input_shape) != 3:
        return  # its type is checked elsewhere
    if input_shape[2] is None and input_shape[0] is not None:
        raise InputError(
            f"{name} is (height, width, channels), such as (None, None, 3), not "
            f"{tuple(input_shape)}; give the channels last."
        )


def policy_config(policy: keras.DTypePolicy) -> str | dict:
    """Returns a policy as it stands in a configuration: its name, if that says all."""
    if isinstance(policy, keras.dtype_policies.DTypePolicyMap):
        return keras.dtype_policies.serialize(policy)
    return policy.name


class GraphModel(keras.Model):
    """Base of functional models that are made from arguments of their own.

    A subclass builds its graph inside of `policy_scope`, passes it on, and adds its
    arguments to `get_config`.

    Args:
        inputs: As of `keras.Model`.
        outputs: As of `keras.Model`.
        name: Name of the model.
        trainable: Whether its weights are trained. Of `False`, those of its layers that
            are trainable stay so, as in a stock functional model.
        policy: Its dtype policy.
        layer_settings: What is different in single layers, by their names, as
            `{"head_mix_conv": {"trainable": False}}`.

    Raises:
        InputError: For settings of a layer that there is not.
    """

    def __init__(
        self,
        inputs,
        outputs,
        *,
        name: str,
        trainable: bool,
        policy: keras.DTypePolicy,
        layer_settings: Settings | None,
    ):
        graph = keras.Model(inputs, outputs)
        plain = {layer.name: _config(layer) for layer in graph.layers}
        if layer_settings:
            graph = _rebuild(graph, layer_settings, type(self).__name__)
            inputs, outputs = graph.input, graph.output
        with policy_scope(policy):  # Keras takes no `dtype` of a functional model
            super().__init__(
                inputs=inputs, outputs=outputs, name=name, trainable=trainable
            )
        # Past Keras, which would look for weights in a dictionary when files are read.
        object.__setattr__(self, "_plain_configs", MappingProxyType(plain))
        if keras.backend.backend() in _WAYS:
            object.__setattr__(self, "_parts", split_graph_in_parts(self))

    @property
    def layer_settings(self) -> dict[str, dict[str, Any]]:
        """What is different in single layers from how this network is built."""
        settings = {}
        for layer in self.layers:
            plain = self._plain_configs.get(layer.name)
            if plain is None:
                continue
            config = _config(layer)
            changed = {key: config[key] for key in config if config[key] != plain[key]}
            if changed:
                settings[layer.name] = changed
        return settings

    def get_config(self):
        """Returns the constructor's arguments that all such models have."""
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": policy_config(self.dtype_policy),
            "layer_settings": self.layer_settings,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the model from `get_config`'s dictionary."""
        return cls(**config)


def float32_copy(model: GraphModel) -> GraphModel:
    """Builds the same network in float32, with the model's weights as they are."""
    copied = type(model).from_config({**model.get_config(), "dtype": "float32"})
    copied.set_weights([value.astype("float32") for value in model.get_weights()])
    return copied


def _config(layer: keras.Layer) -> dict[str, Any]:
    """Returns a layer's configuration, the same while a file is written and else."""
    return _without_ids(layer.get_config())


def _without_ids(value: Any) -> Any:
    """Drops the numbers by which Keras notes in a file that objects are the same."""
    if isinstance(value, dict):
        items = value.items()
        return {key: _without_ids(v) for key, v in items if key != "shared_object_id"}
    return value


def _rebuild(graph: keras.Model, settings: Settings, owner: str) -> keras.Model:
    """Builds a graph anew, with other settings of some layers."""
    names = [layer.name for layer in graph.layers]
    if unknown := [name for name in settings if name not in names]:
        raise InputError(
            f"{owner}.layer_settings names {unknown[0]!r}, but there is no such layer; "
            f"the names are those of `layers`, and of `backbone.layers` inside of it."
        )

    def clone(layer):
        changed = copy.deepcopy(dict(settings.get(layer.name, {})))
        return type(layer).from_config({**layer.get_config(), **changed})

    return keras.models.clone_model(graph, clone_function=clone)


def _train(self, mode: bool = True):
    """Sets PyTorch's mode, which Keras's layers do not look at, and says so."""
    if not _called_by_keras():
        warnings.warn(
            f".train() and .eval() change nothing in {self.name}: Keras's layers take "
            f"the mode of each call; write model(images, training=True) in training.",
            stacklevel=3,
        )
    return super(GraphModel, self).train(mode)


def _called_by_keras() -> bool:
    """Whether `fit` or a model around this one sets the mode, not somebody's loop."""
    frame = inspect.currentframe().f_back.f_back
    while frame and frame.f_globals.get("__name__", "").startswith("torch."):
        frame = frame.f_back
    name = frame.f_globals.get("__name__", "") if frame else ""
    return name == __name__ or name.startswith("keras.")


def _call(self, inputs, training=None, mask=None, **kwargs):
    """Returns the outputs, on a CPU where possible past Keras's code."""
    applies, run = _WAYS[keras.backend.backend()]
    if mask is not None or kwargs or not applies(inputs, training):
        return super(GraphModel, self).call(inputs, training, mask, **kwargs)
    (pixels,) = self._standardize_inputs(inputs)
    return run(self, self._parts, pixels, training)


if keras.backend.backend() in _WAYS:
    GraphModel.call = _call
if keras.backend.backend() == "torch":
    GraphModel.train = _train
