"""Which options go together."""

import dataclasses
import math

import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.inference import SINGLE_PASS, InferenceOptions


def test_the_default_is_one_pass():
    assert InferenceOptions() == SINGLE_PASS == InferenceOptions(scales=[1], flip=False)
    assert (SINGLE_PASS.passes, SINGLE_PASS.sliding_window, SINGLE_PASS.stride) == (
        1,
        None,
        None,
    )
    assert InferenceOptions(flip=True, scales=(0.5, 1, 2)).passes == 6
    with pytest.raises(dataclasses.FrozenInstanceError):
        SINGLE_PASS.flip = True


def test_lists_of_a_configuration_become_tuples():
    options = InferenceOptions(scales=[1, 2], sliding_window=[6, 8], stride=[3, 8])
    assert (options.scales, options.sliding_window) == ((1.0, 2.0), (6, 8))
    assert options.stride == (3, 8)
    assert hash(options) == hash(dataclasses.replace(options))


def test_the_stride_is_two_thirds_unless_given():
    assert InferenceOptions(sliding_window=(512, 1025)).stride == (341, 683)
    assert InferenceOptions(sliding_window=(1, 2)).stride == (1, 1)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"scales": ()}, r"scales.*not \(\)"),
        ({"scales": (1.0, 0)}, "above 0"),
        ({"scales": (-0.5,)}, "above 0.*-0.5"),
        ({"scales": (math.nan,)}, "nan"),
        ({"scales": (math.inf,)}, "inf"),
        ({"scales": (75, 100, 125)}, "up to 16"),
        ({"scales": "1.0"}, "'1.0'"),
        ({"scales": None}, "None"),
        ({"flip": "yes"}, "True or False, not 'yes'"),
        ({"flip": 1}, "True or False, not 1"),
        ({"sliding_window": (512,)}, "sliding_window is .height, width."),
        ({"sliding_window": 512}, "not 512"),
        ({"sliding_window": (0, 5)}, "above 0"),
        ({"sliding_window": (5.5, 5)}, "whole pixels"),
        ({"sliding_window": (math.nan, 5)}, "nan"),
        ({"sliding_window": "58"}, "'58'"),
        ({"stride": (5, 5)}, "needs a sliding_window"),
        ({"sliding_window": (8, 8), "stride": (8, 9)}, r"\(8, 9\) is larger"),
        ({"sliding_window": (8, 8), "stride": (9, 8)}, r"\(9, 8\) is larger"),
        ({"sliding_window": (8, 8), "stride": (0, 8)}, "stride is"),
    ],
)
def test_what_is_refused(options, said):
    with pytest.raises(InputError, match=said):
        InferenceOptions(**options)
