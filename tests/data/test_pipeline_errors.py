"""A sentence for the user, through whatever TensorFlow wraps it in."""

import pytest
import tensorflow as tf

from keras_lraspp.data.pipeline_errors import input_errors, mark_sentence, refuse_unless
from keras_lraspp.errors import InputError

SENTENCE = "größe [1].png has <3> classes, not 4 (100 %); correct it."


def fail_in_python(_):
    def fail(_):
        raise InputError(mark_sentence(SENTENCE))

    return tf.py_function(fail, [0], tf.int32)


def fail_in_the_graph(number):
    refuse_unless(number > 5, SENTENCE)
    return number


@pytest.mark.parametrize("fail", [fail_in_python, fail_in_the_graph])
@pytest.mark.parametrize("parallel", [None, 2])
def test_a_pipelines_error_is_the_sentence_again(fail, parallel):
    numbers = tf.data.Dataset.range(3).map(fail, parallel).batch(2).prefetch(1)
    with pytest.raises(InputError) as caught, input_errors():
        list(numbers)
    assert str(caught.value) == SENTENCE


def test_inside_a_compiled_loop():
    numbers = iter(tf.data.Dataset.range(3).map(fail_in_python))
    step = tf.function(lambda: next(numbers) + 1)
    with pytest.raises(InputError) as caught, input_errors():
        step()
    assert str(caught.value) == SENTENCE


def test_a_condition_that_holds_lets_pass():
    numbers = tf.data.Dataset.range(6, 9).map(fail_in_the_graph)
    with input_errors():
        assert [int(number) for number in numbers] == [6, 7, 8]
    refuse_unless(True, SENTENCE)


@pytest.mark.parametrize("error", [InputError("as it is"), KeyError("ours"), OSError()])
def test_other_errors_are_left_alone(error):
    with pytest.raises(type(error)) as caught, input_errors():
        raise error
    assert caught.value is error
