"""Every kind of image and label file, and its rows of the table of faults."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin

from harness import warned
from harness.bombs import tiff_bytes
from harness.image_files import (
    FAULTY,
    classes,
    dataset_of,
    encoded,
    exif_with,
    noise,
    palette_image,
    png_bytes,
    save,
    write,
)
from keras_lraspp import pixels
from keras_lraspp.data import check as image_checks
from keras_lraspp.data.check import check_image_file
from keras_lraspp.data.decode import load_sample
from keras_lraspp.data.label_spec import ColorClass, read_label
from keras_lraspp.errors import InputError
from keras_lraspp.images import (
    DamagedFileError,
    EncodedImage,
    image_orientation,
    image_size,
    read_image,
)


@pytest.fixture
def alpha_not_yet_said(monkeypatch):
    monkeypatch.setattr(pixels, "_ALPHA_WARNED", [])


def loaded_label(path, dataset):
    """The label as the training pipeline reads it, with an image of its size."""
    with Image.open(path) as label:
        image = save(path.with_name("image.png"), noise(*label.size[::-1]))
    return load_sample(image, path, dataset)[1]


@pytest.mark.parametrize("read", [read_label, loaded_label])
@pytest.mark.parametrize("bits", [8, 4])
def test_row_8_a_palette_png_gives_its_indices(tmp_path, bits, read):
    indices = classes(7, 9, num_classes=1 << bits)
    path = tmp_path / "label.png"
    palette_image(indices).save(path, bits=bits)
    dataset = dataset_of([], num_classes=255)
    np.testing.assert_array_equal(read(path, dataset), indices)


@pytest.mark.parametrize("read", [read_label, loaded_label])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_labels_of_few_bits_are_not_stretched(tmp_path, bits, read):
    values = classes(5, 8, num_classes=min(1 << bits, 19))
    shifts = 8 - bits - np.arange(0, 8, bits)
    packed = (values.reshape(5, -1, 8 // bits) << shifts).sum(-1).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    path = write(tmp_path / "label.png", png_bytes(8, 5, bits, 0, rows))
    np.testing.assert_array_equal(read(path, dataset_of([], num_classes=19)), values)


@pytest.mark.parametrize("read", [read_label, loaded_label])
def test_row_9_a_16_bit_label_is_read_whole(tmp_path, read):
    values = np.array([[0, 1, 255], [256, 299, 65535]], np.uint16)
    path = save(tmp_path / "label.png", values)
    dataset = dataset_of([], num_classes=300, ignore_label=65535)
    label = read(path, dataset)
    assert label.dtype == np.int32
    np.testing.assert_array_equal(label, values)


def test_row_9_a_16_bit_label_is_never_cut_to_a_byte(tmp_path):
    path = save(tmp_path / "label.png", np.array([[0, 256]], np.uint16))
    with pytest.raises(InputError, match=r"Label values 256 .* class \(0\.\.4\)"):
        loaded_label(path, dataset_of([]))


def test_row_10_of_16_bit_images_the_high_byte_is_kept(tmp_path):
    grey = np.array([[0, 255, 256, 65535, 0x1234]], np.uint16)
    wanted = np.repeat((grey // 256)[..., None], 3, -1)
    np.testing.assert_array_equal(read_image(save(tmp_path / "grey.png", grey)), wanted)
    rgb = np.random.default_rng(0).integers(0, 65536, (3, 4, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in rgb)
    path = write(tmp_path / "rgb.png", png_bytes(4, 3, 16, 2, rows))
    np.testing.assert_array_equal(read_image(path), rgb // 256)


def test_a_pgm_of_16_bits_is_read_as_one(tmp_path):
    values = np.array([[0, 1, 255], [256, 299, 65535]], ">u2")
    path = write(tmp_path / "label.pgm", b"P5 3 2 65535\n" + values.tobytes())
    label = read_label(path, dataset_of([], num_classes=300, ignore_label=65535))
    np.testing.assert_array_equal(label, values)
    np.testing.assert_array_equal(read_image(path)[..., 0], values // 256)


GREY = {256: [8], 257: [1], 259: [1], 273: [8], 277: [1], 278: [1], 279: [8]}
VALUES = np.arange(8, dtype=np.uint8)
OTHERS = {
    "another_range.pgm": b"P5 8 1 7\n" + VALUES.tobytes(),
    "plain.pgm": b"P2 8 1 7\n0 1 2 3 4 5 6 7\n",
    "deep.pgm": b"P5 8 1 1000\n" + VALUES.astype(">u2").tobytes(),
    "black_is_1.pbm": b"P4 8 1\n\x55",
    "four_bits.tiff": tiff_bytes({**GREY, 258: [4], 262: [1]}, b"\x01\x23\x45\x67"),
    "white_is_0.tiff": tiff_bytes({**GREY, 258: [8], 262: [0]}, VALUES.tobytes()),
}


@pytest.mark.parametrize("name", OTHERS)
def test_row_58_labels_that_pillow_would_stretch_or_invert_are_refused(tmp_path, name):
    path = write(tmp_path / name, OTHERS[name])
    with pytest.raises(InputError, match="stores greys of another range.*as a PNG"):
        read_label(path, dataset_of([]))
    assert read_image(path).shape == (1, 8, 3)


def test_row_58_greys_and_palettes_in_a_tiff_are_read_as_stored(tmp_path):
    whole = tiff_bytes({**GREY, 258: [8], 262: [1]}, VALUES.tobytes())
    label = read_label(write(tmp_path / "grey.tiff", whole), dataset_of([]))
    assert label.tolist() == [[*range(8)]]
    colors = {320: [*range(48)]}
    packed = tiff_bytes({**GREY, **colors, 258: [4], 262: [3]}, b"\x01\x23\x45\x67")
    label = read_label(write(tmp_path / "palette.tiff", packed), dataset_of([]))
    assert label.tolist() == [[*range(8)]]


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_row_10_32_bits_are_refused(tmp_path, dtype):
    path = save(tmp_path / "deep.tiff", np.ones((2, 3), dtype))
    with pytest.raises(
        InputError, match="deep.tiff has 32 bits.*convert it to 8 or 16"
    ):
        read_image(path)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_row_13_alpha_of_an_image_is_dropped_with_one_warning(
    tmp_path, mode, alpha_not_yet_said
):
    pixels = noise(4, 5) if mode == "RGBA" else np.repeat(noise(4, 5)[..., :1], 3, -1)
    alpha = noise(4, 5, seed=1)[..., 0]
    first, second = (tmp_path / f"{name}.png" for name in "ab")
    for path in (first, second):
        image = Image.fromarray(pixels)
        image.putalpha(Image.fromarray(alpha))
        image.convert(mode).save(path)
    with pytest.warns(UserWarning, match="a.png has an alpha channel.*dropped") as seen:
        for path in (first, second):
            np.testing.assert_array_equal(read_image(path), pixels)
    assert len(warned.texts(seen)) == 1
    assert [one.filename for one in seen if one.category is UserWarning] == [__file__]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("read", [read_label, loaded_label])
def test_row_13_alpha_of_a_label_is_an_error(tmp_path, mode, read):
    path = save(tmp_path / "label.png", noise(4, 5), mode)
    with pytest.raises(
        InputError, match="label.png has an alpha channel; save it with"
    ):
        read(path, dataset_of([]))


@pytest.mark.parametrize("name", ["grey.png", "grey.jpg"])
def test_row_14_grey_becomes_three_equal_channels(tmp_path, name):
    path = save(tmp_path / name, noise(8, 9)[..., 0])
    with Image.open(path) as image:
        stored = np.asarray(image)
    assert stored.ndim == 2
    np.testing.assert_array_equal(read_image(path), np.stack([stored] * 3, -1))


@pytest.mark.parametrize(
    ("ink", "color"),
    [
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 0), (255, 255, 255)),
        ((51, 0, 102, 128), (102, 127, 76)),  # (1 - ink) * (1 - black)
    ],
)
def test_row_14_cmyk_becomes_rgb(tmp_path, ink, color):
    path = tmp_path / "print.jpg"
    Image.new("CMYK", (16, 8), ink).save(path, quality=100)
    pixels = read_image(path)
    assert pixels.shape == (8, 16, 3)
    assert np.abs(pixels.astype(int) - color).max() <= 3  # JPEG is lossy


def test_a_palette_image_gives_its_colors(tmp_path):
    indices = classes(4, 5, num_classes=256)
    path = tmp_path / "image.png"
    image = palette_image(indices)
    image.save(path)
    colors = np.array(image.getpalette()).reshape(-1, 3)
    np.testing.assert_array_equal(read_image(path), colors[indices])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "kind", ["rgb.png", "rgb.jpg", "grey16.png", "rgb.tif", "grey16.tif"]
)
def test_row_15_orientation_is_applied_where_asked(tmp_path, orientation, kind):
    pixels = noise(16, 24)
    if kind.startswith("grey16"):
        pixels = pixels[..., 0].astype(np.uint16) * 256
    path = save(tmp_path / kind, pixels, exif=exif_with(orientation))
    stored = read_image(path, apply_exif=False)
    with open(path, "rb") as file:  # Pillow mixes up sides of a TIFF that it maps
        upright = ImageOps.exif_transpose(Image.open(file))
    assert upright.size == ((24, 16) if orientation < 5 else (16, 24))
    if kind.startswith("grey16"):
        upright = Image.fromarray((np.asarray(upright) // 256).astype(np.uint8))
    np.testing.assert_array_equal(read_image(path), upright.convert("RGB"))
    assert stored.shape == (16, 24, 3)
    if kind != "rgb.jpg":
        expected = noise(16, 24) if kind.startswith("rgb") else noise(16, 24)[..., :1]
        np.testing.assert_array_equal(stored, np.broadcast_to(expected, stored.shape))
    assert check_image_file(path) == image_size(path) == (16, 24)
    assert image_size(path, upright=True) == upright.size[::-1]
    assert image_orientation(path) == orientation


def test_row_15_an_exif_block_that_makes_no_sense_is_no_obstacle(tmp_path):
    """A resolution that is text: Pillow stumbles when it writes such a block anew."""
    row = struct.pack(">HHI4s", 0x011A, 2, 4, b"abc\0")
    path = save(tmp_path / "odd.jpg", noise(16, 24), exif=exif_with(6, row))
    with Image.open(path) as image, pytest.raises(TypeError):
        ImageOps.exif_transpose(image)
    stored = read_image(path, apply_exif=False)
    np.testing.assert_array_equal(read_image(path), np.rot90(stored, -1))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*", b"Exif\0\0" + bytes(30), b"Exif"])
def test_row_15_a_broken_exif_block_counts_as_upright(tmp_path, exif):
    path = save(tmp_path / "odd.jpg", noise(16, 24), exif=exif)
    wanted = read_image(path, apply_exif=False)
    np.testing.assert_array_equal(read_image(path), wanted)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("label.jpg", {}, "label.jpg is a JPEG,"),
        ("label.tif", {"compression": "jpeg"}, "label.tif is a TIFF with JPEG "),
    ],
)
@pytest.mark.parametrize("color_map", [None, (ColorClass(0, 0, 0, 0),)])
def test_a_label_of_lossy_compression_is_refused(
    tmp_path, name, options, says, color_map
):
    path = save(tmp_path / name, np.zeros((8, 8), np.uint8), **options)
    with pytest.raises(InputError, match=f"{says}.*blurs labels; save it as a PNG"):
        read_label(path, dataset_of([], color_map=color_map))


@pytest.mark.parametrize("name", ["label.tif", "label.png"])
def test_a_label_with_an_orientation_is_refused(tmp_path, name):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / name, classes(4, 8), exif=exif)
    with pytest.raises(InputError, match=f"{name} has the EXIF orientation 6, so"):
        read_label(path, dataset_of([]))


def test_a_label_of_another_pixel_format_is_refused(tmp_path):
    path = save(tmp_path / "label.tiff", np.ones((2, 3), np.float32))
    with pytest.raises(InputError, match="pixel format F; save it with one channel"):
        read_label(path, dataset_of([]))


def test_row_7_an_rgb_mask_is_read_by_its_color_map(tmp_path):
    wanted = classes(6, 7, num_classes=3)
    wanted[wanted == 2] = 255
    colors = {0: (128, 64, 128), 1: (0, 0, 1), 255: (0, 0, 0)}
    mask = np.array([[colors[value] for value in row] for row in wanted], np.uint8)
    path = save(tmp_path / "mask.png", mask)
    rows = tuple(ColorClass(*colors[value], value) for value in (0, 1, 255))
    label = read_label(path, dataset_of([], color_map=rows))
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, wanted)


@pytest.fixture
def decoded(monkeypatch):
    """The files that were decoded."""
    seen = []
    read_image = image_checks.read_image

    def spy(path, **options):
        seen.append(path.name)
        return read_image(path, **options)

    monkeypatch.setattr(image_checks, "read_image", spy)
    return seen


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_whole_files_are_not_decoded(tmp_path, kind, decoded):
    path = write(tmp_path / "whole", encoded(noise(11, 17), kind))
    assert check_image_file(path) == (11, 17) and decoded == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_an_unusual_end_is_looked_at_closely(tmp_path, kind, decoded):
    path = write(tmp_path / "longer", encoded(noise(11, 17), kind) + b"appended")
    assert check_image_file(path) == (11, 17) and decoded == ["longer"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_row_16_a_cut_file_is_found(tmp_path, kind, share):
    content = encoded(noise(40, 40), kind)
    path = write(tmp_path / "cut", content[: int(share * len(content))])
    with pytest.raises(
        DamagedFileError, match="cut is damaged .*; replace it, or leave"
    ):
        check_image_file(path)


def test_the_size_is_that_of_the_stored_pixels(tmp_path):
    path = save(tmp_path / "a.jpg", noise(11, 17), exif=exif_with(6))
    assert check_image_file(path) == (11, 17)


DATASET = dataset_of([])
LABELS = {
    "grey": encoded(classes(6, 8), "PNG"),
    "palette": encoded(palette_image(classes(6, 8)), "PNG"),
    "16 bits": encoded(classes(6, 8).astype(np.uint16) * 300, "PNG"),
    "2 bits": png_bytes(4, 2, 2, 0, bytes([0, 0b00011011, 0, 0b11100100])),
}
IMAGES = {
    "PNG": encoded(noise(6, 8), "PNG"),
    "JPEG": encoded(noise(6, 8), "JPEG", exif=exif_with(6)),
    "grey": encoded(classes(6, 8), "PNG"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels(tmp_path, kind):
    path = write(tmp_path / "label.png", LABELS[kind])
    expected = read_label(path, DATASET)
    found = read_label(EncodedImage("inside", LABELS[kind]), DATASET)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.parametrize("kind", IMAGES)
def test_images(tmp_path, kind):
    path = write(tmp_path / "image.png", IMAGES[kind])
    inside = EncodedImage("inside", IMAGES[kind])
    np.testing.assert_array_equal(read_image(inside), read_image(path))
    label = EncodedImage("label", LABELS["grey"])
    image, _ = load_sample(inside, label, DATASET)
    np.testing.assert_array_equal(image, read_image(path, apply_exif=False))


@pytest.mark.parametrize("fault", FAULTY, ids=lambda fault: fault.name)
def test_faults_are_named_by_where_they_are(fault):
    inside = EncodedImage("shard record 7", fault.content())
    kind = DamagedFileError if fault.damaged else InputError
    with pytest.raises(kind, match=f"^shard record 7 .*{fault.says}"):
        read_image(inside)


@pytest.fixture
def dark_not_yet_said(monkeypatch):
    monkeypatch.setattr(pixels, "_DARK_WARNED", [])


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "deep.pgm"])
def test_12_bits_in_16_are_warned_of_and_read_with_their_white(
    name, tmp_path, dark_not_yet_said
):
    values = np.array([[0, 1000], [2048, 4095]], np.uint16)
    path = save(tmp_path / name, values)
    with pytest.warns(UserWarning) as caught:
        assert read_image(path)[..., 0].tolist() == [[0, 3], [8, 15]]
        read_image(path)
    assert warned.texts(caught) == [
        f"{path} has 16 bits per channel, of which at most 12 are used, so it is "
        "nearly black; if white is 4095, as of 12 bits, set white=4095 (said once)."
    ]
    wanted = values.astype(int) * 255 // 4095
    np.testing.assert_array_equal(read_image(path, white=4095)[..., 2], wanted)
    # A sample of the training sees the same, and values above white are white.
    label = save(tmp_path / "label.png", np.zeros((2, 2), np.uint8))
    for white, first in ((4095, wanted[0, 1]), (999, 255)):
        dataset = dataset_of([path], [label], white=white)
        assert np.asarray(dataset.load(0)[0])[0, 1].tolist() == 3 * [first]


def test_16_bits_of_colour_that_are_nearly_black(tmp_path, dark_not_yet_said):
    rows = b"".join(b"\0" + struct.pack(">6H", *range(200, 800, 100)) for _ in "ab")
    path = write(tmp_path / "deep.png", png_bytes(2, 2, 16, 2, rows))
    with pytest.warns(UserWarning, match="of which at most 10 are used, so"):
        assert read_image(path)[0].tolist() == [[0, 1, 1], [1, 2, 2]]


def test_full_16_bits_are_no_reason_to_warn(tmp_path, dark_not_yet_said, recwarn):
    for largest in (0, 4096, 65535):
        values = np.array([[0, largest]], np.uint16)
        read_image(save(tmp_path / "deep.png", values))
    assert not warned.texts(recwarn)


def test_values_with_a_sign_are_not_called_32_bits(tmp_path):
    path = tmp_path / "signed.tif"
    pixels = np.array([[-5, 300]], np.int16)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[339] = 2  # signed
    Image.fromarray(pixels.view(np.uint16)).save(path, tiffinfo=tags)
    with pytest.raises(InputError, match="signed.tif has values with a sign; conv"):
        read_image(path)


@pytest.mark.parametrize("reduced", [True, False])
def test_a_tiff_with_overviews_is_one_picture(reduced, tmp_path):
    path = tmp_path / "map.tif"
    first, second = noise(20, 30), noise(10, 15)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = int(reduced)
    smaller = Image.fromarray(second)
    smaller.encoderinfo = {"tiffinfo": tags}
    Image.fromarray(first).save(path, save_all=True, append_images=[smaller])
    if reduced:
        np.testing.assert_array_equal(read_image(path), first)
    else:
        with pytest.raises(InputError, match="map.tif is animated"):
            read_image(path)
