"""Memory that is given back page by page costs page faults."""

import sys

import pytest

from harness.children import run_program

PROGRAM = """
    import resource, sys
    from keras_lraspp.data.pipeline import keep_freed_memory

    if sys.argv[1] == "keep":
        assert keep_freed_memory()

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        b"x" * (40 * 2**20)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults()
    print(faults())
    """


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_the_second_image_takes_the_memory_of_the_first():
    assert run_program(PROGRAM, "leave") > 1000  # 40 MiB are 10240 pages of 4 KiB
    assert run_program(PROGRAM, "keep") < 50
