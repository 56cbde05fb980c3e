"""A single process has nobody to wait for; `test_train_hosts` has two."""

import pytest

from keras_lraspp.errors import StorageError
from keras_lraspp.training.multihost import SINGLE_HOST

pytestmark = pytest.mark.backends


def test_one_process_hears_itself():
    assert SINGLE_HOST.gather(b"abc") == [b"abc"]
    assert SINGLE_HOST.broadcast(b"abc") == b"abc"
    assert SINGLE_HOST.largest(15) == 15
    SINGLE_HOST.check_same(images=3)
    with SINGLE_HOST.local_scope():
        pass


def test_an_error_of_one_process_stays_what_it_is():
    error = StorageError("disk full")
    with pytest.raises(StorageError) as caught:
        with SINGLE_HOST.raise_together():
            raise error
    assert caught.value is error
