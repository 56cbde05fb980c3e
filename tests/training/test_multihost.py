"""A single process has nobody to wait for; `runs/test_train_hosts` has two."""

import pytest

from keras_lraspp.errors import StorageError
from keras_lraspp.training.multihost import ONE

pytestmark = pytest.mark.backends


def test_one_process_hears_itself():
    assert ONE.gather(b"abc") == [b"abc"]
    assert ONE.broadcast(b"abc") == b"abc"
    assert ONE.largest(15) == 15
    ONE.check_same(images=3)
    with ONE.alone():
        pass


def test_an_error_of_one_process_stays_what_it_is():
    error = StorageError("disk full")
    with pytest.raises(StorageError) as caught:
        with ONE.together():
            raise error
    assert caught.value is error
