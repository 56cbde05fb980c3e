"""Arguments that there are not: refused, with the name that was meant."""

import keras
import pytest

from keras_lraspp import LRASPP, MobileNetV3, Segmenter, layers, losses
from keras_lraspp.arguments import constructor_names, did_you_mean
from keras_lraspp.errors import InputError
from keras_lraspp.metrics import MeanIoU
from keras_lraspp.training import SGD, WarmupPolynomial

pytestmark = pytest.mark.backends


@pytest.mark.parametrize(
    ("make", "given", "meant"),
    [
        (LRASPP, "num_class", "num_classes"),
        (LRASPP, "ouput_stride", "output_stride"),
        (LRASPP, "weights", "backbone_weights"),
        (LRASPP, "dtpye", "dtype"),
        (MobileNetV3, "varient", "variant"),
        (
            lambda **given: LRASPP.from_preset("a", **given),
            "load_weight",
            "load_weights",
        ),
        (lambda **given: LRASPP.from_preset("a", **given), "input_shap", "input_shape"),
        (lambda **given: Segmenter("a", **given), "flips", "flip"),
        (losses.CrossEntropy, "ignore_labels", "ignore_label"),
        (losses.OhemCrossEntropy, "class_weight", "class_weights"),
        (losses.FocalLoss, "gama", "gamma"),
        (lambda **given: losses.CombinedLoss([], **given), "weight", "weights"),
        (losses.DiceLoss, "per_images", "per_image"),
        (losses.LovaszSoftmax, "class", "classes"),
        (lambda **given: MeanIoU(3, **given), "ignore_class", "ignore_label"),
        (layers.BatchNorm, "momentun", "momentum"),
        (layers.HardSwish, "nam", "name"),
        (layers.HardGate, "dtyp", "dtype"),
        (layers.ResizeLike, "names", "name"),
        (layers.ScaleChannels, "nmae", "name"),
        (layers.LargeKernelPool, "stride", "strides"),
        (SGD, "momentm", "momentum"),
        (WarmupPolynomial, "warmup_step", "warmup_steps"),
    ],
)
def test_a_misspelt_argument(make, given, meant):
    with pytest.raises(TypeError, match=f"'{given}'; did you mean {meant}\\?"):
        make(**{given: 3})


def test_all_that_are_unknown_are_named():
    with pytest.raises(TypeError) as caught:
        LRASPP(num_class=3, ouput_stride=16)
    assert str(caught.value) == (
        "LRASPP has no argument 'num_class'; did you mean num_classes? "
        "LRASPP has no argument 'ouput_stride'; did you mean output_stride?"
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"num_classes": "3"}, "num_classes is a whole number .*, not '3'"),
        ({"num_classes": True}, "num_classes is a whole number .*, not true"),
        ({"num_classes": 3.0}, "num_classes is a whole number .*, not 3.0"),
        ({"width": "1"}, "width is a number above 0 .*, not '1'"),
        ({"width": True}, "width is a number above 0 .*, not true"),
        ({"output_stride": "8"}, "output_stride is one of 8, 16, 32, not '8'"),
        ({"output_stride": True}, "output_stride is one of 8, 16, 32, not true"),
        (
            {"input_shape": (3, None, None)},
            r"input_shape is \(height, .*\(3, None, None",
        ),
        (
            {"input_shape": (None, None, "3")},
            r"input_shape\[2\] is a whole .*, not '3'",
        ),
        ({"input_shape": 512}, "input_shape is a list of 3, not 512"),
        ({"name": 3}, "name is text, not 3"),
        ({"trainable": 1}, "trainable is true or false, not 1"),
        ({"dtype": "float33"}, "dtype is a dtype policy such as .*, not 'float33'"),
        ({"dtype": "int8"}, "dtype is a dtype policy such as .*, not 'int8'"),
        ({"dtype": 16}, "dtype is a dtype policy such as .*, not '16'"),
        ({"layer_settings": "none"}, "layer_settings is .*, not 'none'"),
    ],
)
def test_another_type_says_what_is_expected(given, says):
    for network in (LRASPP, MobileNetV3):
        if given.keys() <= constructor_names(network):
            with pytest.raises(InputError, match=f"{network.__name__}.{says}"):
                network(**given)


def test_names_of_a_layer_are_those_of_its_bases_too():
    class Mine(layers.BatchNorm):
        pass

    assert {"momentum", "epsilon", "axis", "name", "dtype"} <= constructor_names(Mine)
    assert Mine(momentum=0.5, axis=1, dtype="float32").axis == 1
    with pytest.raises(TypeError, match="BatchNorm has no argument 'axes'"):
        Mine(axes=1)
    # The first layer of a sequential model.
    with pytest.warns(UserWarning, match="Do not pass an `input_shape`"):
        layers.HardGate(input_shape=(3,))


def test_the_arguments_that_keras_saves_are_known():
    for cls in (losses.CrossEntropy, layers.BatchNorm, layers.HardSwish, SGD):
        made = cls.from_config(cls().get_config())
        assert made.get_config().keys() == cls().get_config().keys()
    loss = losses.DiceLoss(reduction="sum", dtype="float32")
    assert keras.losses.deserialize(keras.losses.serialize(loss)).reduction == "sum"


def test_no_name_is_close():
    assert did_you_mean("xyz", ("b", "a")) == "choose one of a, b."
    assert did_you_mean("xyz", ()) == "correct the name."
