"""Where in the world each pixel of a strip of the picture lies."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_lraspp.data.scenes.picture.camera import Camera
from keras_lraspp.data.scenes.picture.canvas import Surface

# Nothing is farther away than this, in metres.
_HORIZON = 1500.0


class SurfaceTable(NamedTuple):
    """All surfaces of a canvas, one row each.

    Attributes:
        colour: float32 (n, 3), 0..255.
        texture: uint8 (n,), index into `TEXTURES`.
        kind: uint8 (n,), a `Kind`.
        plane: float32 (3, n), the coefficients a, b and c of a `Plane`.
    """

    colour: np.ndarray
    texture: np.ndarray
    kind: np.ndarray
    plane: np.ndarray


def surface_table(surfaces: Sequence[Surface]) -> SurfaceTable:
    """Arrays of the surfaces' fields."""
    table = np.asarray(surfaces, np.float32)
    return SurfaceTable(
        table[:, :3],
        table[:, 3].astype(np.uint8),
        table[:, 4].astype(np.uint8),
        np.ascontiguousarray(table[:, 5:8].T),
    )


class View(NamedTuple):
    """The geometry of a strip of h rows of a picture w pixels wide.

    Attributes:
        surface: int32 (h, w), the surface seen.
        kind: uint8 (h, w), its `Kind`.
        right: float32 (w,), metres right of the axis, per metre of depth.
        above: float32 (h, 1), metres above the camera's eye, per metre of depth.
        depth: float32 (h, w), metres ahead.
    """

    surface: np.ndarray
    kind: np.ndarray
    right: np.ndarray
    above: np.ndarray
    depth: np.ndarray


def view_strip(
    camera: Camera, table: SurfaceTable, surface: np.ndarray, first_row: int
) -> View:
    """Finds where the surfaces in a strip that starts at `first_row` are."""
    height, width = surface.shape
    columns = np.arange(0.5, width, dtype=np.float32)
    rows = first_row + np.arange(0.5, height, dtype=np.float32)[:, None]
    right = (columns - np.float32(camera.centre)) / np.float32(camera.focal)
    above = (np.float32(camera.horizon) - rows) / np.float32(camera.focal)
    a, b, c = table.plane
    inverse = a[surface] * right
    inverse += b[surface] * above
    inverse += c[surface]
    # At an edge, the pixel's middle may lie just beside the surface that was sampled.
    np.clip(inverse, 1.0 / _HORIZON, 1.0, out=inverse)
    return View(surface, table.kind[surface], right, above, np.reciprocal(inverse))
