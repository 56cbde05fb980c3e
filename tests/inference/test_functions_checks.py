"""Which images a network takes, with and without options."""

import resource
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from harness.pixel_model import pixel_model, random_images
from keras_lraspp import LRASPP
from keras_lraspp.errors import InputError
from keras_lraspp.inference import InferenceOptions, label_function
from keras_lraspp.inference.functions import check_array, check_images, memory_errors


def images(height, width):
    return np.zeros((1, height, width, 3), np.uint8)


@pytest.mark.parametrize(
    "size, options, limits",
    [
        ((10, 12), {"scales": (0.5,)}, {"smallest_side": 5}),
        ((9, 12), {"scales": (0.5,)}, {"smallest_side": 5}),  # 4.5 rounds up
        ((10, 12), {"sliding_window": (5, 9)}, {"smallest_side": 5}),
        ((10, 12), {"sliding_window": (5, 9)}, {"fixed": (5, 9)}),
        ((10, 12), {"sliding_window": (5, 9)}, {"fixed": (None, 9)}),
        ((10, 12), {"scales": (0.5,)}, {"fixed": (5, 6)}),
        ((10, 12), {"flip": True}, {"fixed": (10, 12)}),
    ],
)
def test_sizes_that_are_taken(size, options, limits):
    check_images(images(*size), InferenceOptions(**options), **limits)


@pytest.mark.parametrize(
    "size, options, limits, said",
    [
        ((8, 12), {"scales": (1, 0.5)}, {"smallest_side": 5}, "8x12, 4x6 at scale 0.5"),
        ((3, 3), {"scales": (0.1,)}, {}, "0x0 at scale 0.1.*1 pixels; enlarge image"),
        (
            (10, 12),
            {"sliding_window": (4, 12)},
            {"smallest_side": 5},
            "10x12, in windows of 4x12.*5 pixels; enlarge the image and the windows",
        ),
        (
            (20, 12),
            {"sliding_window": (8, 8), "scales": (0.5,)},
            {"smallest_side": 7},
            "20x12, 10x6 at scale 0.5, in windows of 8x6",
        ),
        ((4, 12), {"sliding_window": (5, 9)}, {"fixed": (5, 9)}, "of 4x9.*for 5x9"),
        ((10, 12), {"scales": (1, 2)}, {"fixed": (10, 12)}, "20x24 at scale 2.*10x12"),
        ((10, 12), {}, {"fixed": (5, None)}, "10x12, but .*for 5xNone"),
    ],
)
def test_sizes_that_are_refused(size, options, limits, said):
    with pytest.raises(InputError, match=said):
        check_images(images(*size), InferenceOptions(**options), **limits)


def test_the_large_kernel_needs_large_windows_and_scales():
    model = LRASPP(2, "small", 0.35, 32, "large_kernel")
    assert model.smallest_side == 48 * 32 + 1
    for options, said in [
        ({"scales": (1.0, 0.5)}, "800x800 at scale 0.5.*1537"),
        ({"sliding_window": (800, 1600)}, "windows of 800x1600.*1537"),
    ]:
        labels_of = label_function(model, InferenceOptions(**options))
        with pytest.raises(InputError, match=said):
            labels_of(images(1600, 1600))


def test_a_fixed_model_says_which_size_it_got():
    model = pixel_model(input_shape=(6, 8, 3))
    options = InferenceOptions(sliding_window=(6, 8))
    with pytest.raises(InputError, match="in windows of 5x8.*6x8 only"):
        label_function(model, options)(random_images(1, 5, 20))


@pytest.mark.parametrize(
    "pixels, said",
    [
        (np.zeros((4, 5, 3)), r"float64 \(4, 5, 3\).*255 \* image"),
        (np.zeros((4, 5, 3), np.int64), r"int64.*image.astype\('uint8'\)"),
        (np.zeros((4, 5), np.uint8), r"not \(4, 5\).*np.stack"),
        (np.zeros((4, 5, 1), np.uint8), r"repeat\(3, -1\)"),
        (np.zeros((4, 5, 4), np.uint8), r"image\[..., :3\]"),
        (np.zeros((3, 4, 5), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((0, 5, 3), np.uint8), r"not \(0, 5, 3\)"),
        (np.zeros((), np.uint8), r"not \(\)"),
        (np.array("street"), "<U6"),
    ],
)
def test_arrays_that_are_no_image(pixels, said):
    with pytest.raises(InputError, match=said):
        check_array(pixels)


def test_the_hints_do_what_they_say():
    image = random_images(4, 5)
    assert check_array((255 * (image / 255)).round().astype("uint8")) is not None
    np.testing.assert_array_equal((255 * (image / 255)).round().astype("uint8"), image)
    assert check_array(np.stack([image[..., 0]] * 3, -1)).shape == (4, 5, 3)
    assert check_array(image[..., :1].repeat(3, -1)).shape == (4, 5, 3)
    assert check_array(image.transpose(2, 0, 1).transpose(1, 2, 0)).shape == (4, 5, 3)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes."),  # JAX
        RuntimeError("CUDA out of memory. Tried to allocate 9.00 GiB."),  # PyTorch
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
        RuntimeError("Failed to allocate memory for requested buffer of size 9"),  # ORT
    ],
    ids=["numpy", "tensorflow", "jax", "cuda", "torch", "onnx"],
)
def test_out_of_memory_is_an_error_of_the_image(error):
    with pytest.raises(InputError, match="^The image is 7x8, which does not fit in"):
        with memory_errors((1, 7, 8, 3)):
            raise error
    with pytest.raises(InputError, match="^The batch of 2 images of 7x8 does not fit"):
        with memory_errors((2, 7, 8, 3)):
            raise error


def test_row_50_logits_that_do_not_fit_are_seen_before_the_network_runs():
    """oneDNN's kernels would end the process by a segmentation fault."""
    labels = label_function(pixel_model(19))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    usual = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + 2**28
    large = np.broadcast_to(np.zeros(3, np.uint8), (1, 40_000, 40_000, 3))
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, usual[1]))
        with pytest.raises(InputError, match="The image is 40000x40000, which does n"):
            labels(large)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, usual)
    assert labels(np.ascontiguousarray(large[:, :5, :6])).shape == (1, 5, 6)


def test_other_errors_are_not_about_memory():
    with pytest.raises(RuntimeError, match="shapes differ"):
        with memory_errors((1, 7, 8, 3)):
            raise RuntimeError("shapes differ")
