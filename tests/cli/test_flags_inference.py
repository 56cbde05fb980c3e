"""The flags of test-time options."""

import argparse

import pytest

from keras_lraspp.cli.flags import add_inference_flags, inference_arguments
from keras_lraspp.errors import InputError


def parse(*typed):
    parser = argparse.ArgumentParser()
    add_inference_flags(parser)
    return inference_arguments(parser.parse_args(typed))


def test_what_is_not_typed_is_left_to_the_configuration():
    nothing = {"flip": None, "scales": None, "sliding_window": None, "stride": None}
    assert parse() == nothing
    assert parse("--no-flip") == {**nothing, "flip": False}


def test_what_is_typed():
    found = parse(
        "--flip",
        "--scales=0.75,1,1.25",
        "--sliding_window=512,1024",
        "--stride=341x682",
    )
    assert found == {
        "flip": True,
        "scales": (0.75, 1.0, 1.25),
        "sliding_window": (512, 1024),
        "stride": (341, 682),
    }


@pytest.mark.parametrize(
    "typed",
    [
        "--scales=",
        "--scales=0.5,,1",
        "--scales=half",
        "--sliding_window=512",
        "--sliding_window=0,512",
        "--sliding_window=512,1024,3",
        "--stride=-1,5",
        "--stride=5.5,5",
    ],
)
def test_faults(typed):
    flag, _, value = typed.partition("=")
    with pytest.raises(InputError) as caught:
        parse(typed)
    said = str(caught.value)
    assert flag in said and repr(value) in said
    assert said.count(". ") == 0 and caught.value.exit_code == 2
