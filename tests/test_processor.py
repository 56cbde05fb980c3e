"""What a processor can do, by Linux's description of it, and TensorFlow's kernels."""

import os

import pytest

from keras_lraspp import processor

AVX2 = "fpu sse4_2 avx avx2 fma"
VNNI = f"{AVX2} avx512f avx512_vnni"
ALDER_LAKE = f"{AVX2} avx_vnni"  # oneDNN by default, without AVX-512
VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes this a machine of an x86 processor with some features."""

    def become(features):
        path = tmp_path / "cpuinfo"
        path.write_text(f"processor\t: 0\nmodel name\t: A\nflags\t\t: {features}\n\n")
        monkeypatch.setattr(processor, "_CPUINFO", path)
        processor.processor_features.cache_clear()

    monkeypatch.setenv(VARIABLE, "")  # so that what a test sets is taken back
    monkeypatch.delenv(VARIABLE)
    yield become
    processor.processor_features.cache_clear()


def test_features_are_those_of_linux(machine, tmp_path, monkeypatch):
    machine(AVX2)
    assert processor.processor_features() == {*AVX2.split()}
    for path, text in ("arm", "Features : asimd\n"), ("none", None):
        if text:
            (tmp_path / path).write_text(text)
        monkeypatch.setattr(processor, "_CPUINFO", tmp_path / path)
        processor.processor_features.cache_clear()
        assert processor.processor_features() == set()


@pytest.mark.parametrize(
    ("features", "given", "wanted"),
    [
        (AVX2, None, "1"),
        (AVX2, "0", "0"),  # what somebody set stays
        (VNNI, None, "1"),
        ("fpu sse4_2", None, None),
    ],
)
def test_onednn_is_used_from_avx2_on(features, given, wanted, machine, monkeypatch):
    machine(features)
    if given is not None:
        monkeypatch.setenv(VARIABLE, given)
    processor.prefer_onednn()
    assert os.environ.get(VARIABLE) == wanted


@pytest.mark.parametrize(
    ("features", "given", "slow"),
    [
        (AVX2, "1", True),
        (AVX2, "0", False),
        (AVX2, None, False),  # TensorFlow leaves oneDNN out
        (ALDER_LAKE, None, True),
        (ALDER_LAKE, "0", False),
        (VNNI, "1", False),
        ("", "1", False),
    ],
)
def test_fusions_are_slow_in_onednn_without_avx512(
    features, given, slow, machine, monkeypatch
):
    machine(features)
    if given is not None:
        monkeypatch.setenv(VARIABLE, given)
    assert processor.has_slow_fusions() is slow
