"""Outlines in the picture: hulls, silhouettes of several parts, clipping."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from keras_lraspp.data.scenes.picture.camera import Point2


def _circle(points: int) -> tuple[Point2, ...]:
    angles = [math.tau * k / points for k in range(points)]
    return tuple((math.cos(angle), math.sin(angle)) for angle in angles)


_SQUARE, _HEXAGON, _CIRCLE = _circle(4), _circle(6), _circle(12)


def convex_hull(points: Iterable[Point2]) -> list[Point2]:
    """The convex hull of points (monotone chain)."""
    points = sorted(set(points))
    if len(points) < 3:
        return points
    return _chain(points) + _chain(points[::-1])


def _chain(points: Sequence[Point2]) -> list[Point2]:
    chain: list[Point2] = []
    for point in points:
        x, y = point
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2], chain[-1]
            if (bx - ax) * (y - ay) > (by - ay) * (x - ax):
                break
            chain.pop()
        chain.append(point)
    return chain[:-1]


def rounded_hull(circles: Sequence[tuple[Point2, float]]) -> list[Point2]:
    """The convex hull of circles `((u, v), radius)`: a limb, a torso, a tube."""
    if len(circles) == 2:
        return _capsule(*circles)
    if len(circles) == 1:
        return _disc(*circles[0])
    # Few of many circles' corners end up in the hull.
    shape = _CIRCLE if len(circles) < 5 else _HEXAGON
    return convex_hull(
        point for centre, radius in circles for point in _disc(centre, radius, shape)
    )


def _disc(centre: Point2, radius: float, shape=_CIRCLE) -> list[Point2]:
    # A disc of a few samples needs no more corners than this.
    if radius < 4.0:
        shape = _SQUARE if radius < 1.5 else _HEXAGON
    u, v = centre
    return [(u + radius * cos, v + radius * sin) for cos, sin in shape]


def _capsule(first: tuple[Point2, float], second: tuple[Point2, float]) -> list[Point2]:
    """The hull of two circles: an arc of each, between their common tangents."""
    ((u0, v0), r0), ((u1, v1), r1) = first, second
    distance = math.hypot(u1 - u0, v1 - v0)
    if distance <= abs(r0 - r1) + 1e-6:
        return _disc(*max(first, second, key=lambda circle: circle[1]))
    axis = math.atan2(v1 - v0, u1 - u0)
    tangent = math.acos((r0 - r1) / distance)
    arcs = (
        (u0, v0, r0, axis + tangent, math.tau - 2 * tangent),
        (u1, v1, r1, axis - tangent, 2 * tangent),
    )
    steps = 2 if max(r0, r1) < 4.0 else 5
    return [
        (u + r * math.cos(angle), v + r * math.sin(angle))
        for u, v, r, start, sweep in arcs
        for angle in [start + sweep * k / steps for k in range(steps + 1)]
    ]


def silhouette(parts: Sequence[Sequence[Point2]]) -> list[Point2]:
    """One polygon around all parts: their leftmost and rightmost edge, row by row.

    Gaps inside a row (between the legs of a walker, between two wheels) belong to
    the polygon, as they do in annotations drawn by hand.
    """
    start = np.array([point for part in parts for point in part], np.float64)
    stop = np.array(
        [part[k - len(part) + 1] for part in parts for k in range(len(part))],
        np.float64,
    )
    (x0, y0), (x1, y1) = start.T, stop.T
    top, bottom = y0.min(), y0.max()
    levels = int(np.clip((bottom - top) / 2.0, 4, 48))
    rows = np.linspace(top, bottom, levels)[:, None]
    low, high = np.minimum(y0, y1), np.maximum(y0, y1)
    crossing = (low <= rows + 1e-6) & (rows <= high + 1e-6)
    slope = (x1 - x0) / np.where(y1 == y0, 1.0, y1 - y0)
    # On a horizontal edge both ends count; elsewhere the two values agree.
    at = x0 + (np.clip(rows, low, high) - y0) * slope
    other = np.where(y1 == y0, x1, at)
    left = np.where(crossing, np.minimum(at, other), np.inf).min(axis=1)
    right = np.where(crossing, np.maximum(at, other), -np.inf).max(axis=1)
    return _chain_of(left, rows[:, 0]) + _chain_of(right, rows[:, 0])[::-1]


def _chain_of(columns: np.ndarray, rows: np.ndarray) -> list[Point2]:
    """One side of a silhouette, without the points on a straight line."""
    kept = np.isfinite(columns)
    columns, rows = columns[kept], rows[kept]
    bends = np.ones(len(columns), bool)
    bends[1:-1] = np.abs(columns[:-2] - 2 * columns[1:-1] + columns[2:]) > 0.05
    return list(zip(columns[bends].tolist(), rows[bends].tolist(), strict=True))


def clip_to_picture(
    polygon: Sequence[Point2], height: float, width: float
) -> list[Point2]:
    """Cuts a polygon to the picture's rectangle; empty where they do not meet."""
    columns = [point[0] for point in polygon]
    rows = [point[1] for point in polygon]
    left, right, top, bottom = min(columns), max(columns), min(rows), max(rows)
    if left >= width or right <= 0 or top >= height or bottom <= 0:
        return []
    if left >= 0 and right <= width and top >= 0 and bottom <= height:
        return list(polygon)
    for axis, limit, sign in (
        (0, 0.0, 1.0),
        (0, width, -1.0),
        (1, 0.0, 1.0),
        (1, height, -1.0),
    ):
        polygon = _clip_side(polygon, axis, limit, sign)
    return list(polygon)


def _clip_side(
    polygon: Sequence[Point2], axis: int, limit: float, sign: float
) -> list[Point2]:
    kept = []
    for index, point in enumerate(polygon):
        before = polygon[index - 1]
        inside = sign * (point[axis] - limit)
        was_inside = sign * (before[axis] - limit)
        if (inside < 0) != (was_inside < 0):
            t = was_inside / (was_inside - inside)
            kept.append(
                (
                    before[0] + t * (point[0] - before[0]),
                    before[1] + t * (point[1] - before[1]),
                )
            )
        if inside >= 0:
            kept.append(point)
    return kept
