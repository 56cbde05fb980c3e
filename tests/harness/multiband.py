"""TIFFs of several bands, made by hand."""

import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from harness.bombs import tiff_bytes

_TILE = 16


def _lzw(part: np.ndarray) -> bytes:
    """Codes bytes as LZW, by way of a grey TIFF of one strip that Pillow writes."""
    rows, file = part.view(np.uint8).reshape(len(part), -1), io.BytesIO()
    Image.fromarray(rows).save(file, "TIFF", compression="tiff_lzw")
    written = Image.open(file)
    (offset,), (count,) = written.tag_v2[273], written.tag_v2[279]
    return file.getvalue()[offset : offset + count]


_CODERS = {1: lambda part: part.tobytes(), 5: _lzw, 8: lambda part: zlib.compress(part)}


def multiband_tiff(
    pixels: np.ndarray,
    *,
    planar: bool = False,
    tiled: bool = False,
    compression: int = 1,
    predictor: int = 1,
    orientation: int = 1,
    **changes: list[int],
) -> bytes:
    """A TIFF of uint8 or uint16 (height, width, bands), as GDAL or tifffile write it.

    `changes` are tags by number, as `t339=[3]`.
    """
    height, width, bands = pixels.shape
    rows, columns = (_TILE, _TILE) if tiled else (5, width)
    if tiled:
        missing = -height % rows, -width % columns
        pixels = np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)))
    planes = np.moveaxis(pixels, 2, 0)[..., None] if planar else pixels[None]
    parts = []
    for plane in planes:
        for top in range(0, plane.shape[0], rows):
            for left in range(0, plane.shape[1], columns):
                part = plane[top : top + rows, left : left + columns]
                if predictor == 2:
                    part = np.diff(part, axis=1, prepend=part[:, :1] * 0)
                parts.append(_CODERS[compression](np.ascontiguousarray(part)))
    offsets = [8 + sum(map(len, parts[:index])) for index in range(len(parts))]
    counts = [*map(len, parts)]
    tags = {256: [width], 257: [height], 258: [8 * pixels.itemsize] * bands, 262: [1]}
    tags |= {259: [compression], 274: [orientation], 277: [bands]}
    tags |= {284: [1 + planar], 317: [predictor], 339: [1] * bands}
    if tiled:
        tags |= {322: [columns], 323: [rows], 324: offsets, 325: counts}
    else:
        tags |= {273: offsets, 278: [rows], 279: counts}
    tags |= {int(name[1:]): values for name, values in changes.items()}
    return tiff_bytes(tags, b"".join(parts))


def save_bands(path: Path, pixels: np.ndarray) -> Path:
    """Writes uint8 (height, width, channels) as the file's name says; returns it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
    elif path.suffix == ".tif":
        path.write_bytes(multiband_tiff(pixels))
    else:
        Image.fromarray(pixels.squeeze(-1) if pixels.shape[2] == 1 else pixels).save(
            path
        )
    return path
