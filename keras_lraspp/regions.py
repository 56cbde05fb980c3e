"""Regions of label maps: antialiased contours, and leaving out small regions."""

import numpy as np

_REACH = 3  # pixels to each side that a contour is smoothed over
_WINDOW = np.array([1, 6, 15, 20, 15, 6, 1], np.uint16)  # binomial, of 1.2 pixels
_WEIGHT = 64  # its sum
WIDEST_CONTOUR = 2.0  # pixels; what is farther from a border is not looked at


def contour_coverage(labels: np.ndarray, width: float) -> np.ndarray:
    """Finds how much of each pixel the lines between regions cover, antialiased.

    How far a pixel is from the border follows from how many of the pixels around it,
    weighted by a binomial window of 7x7, are of its own region; so the steps of a
    border that runs aslant are smoothed.

    Args:
        labels: Integer (H, W).
        width: Width of the lines, which are centred on the borders, in pixels: at most
            `WIDEST_CONTOUR`.

    Returns:
        uint8 (H, W), 0 (none of it) to 255 (all of it).
    """
    coverage = np.zeros(labels.shape, np.uint8)
    rows, columns = np.nonzero(_near_borders(labels))
    padded = np.pad(labels, _REACH, mode="edge")
    stride = padded.shape[1]
    flat, place = padded.ravel(), rows * stride + columns  # of the window's corner
    own, weight = labels[rows, columns], np.zeros(len(place), np.uint16)
    for down, outer in enumerate(_WINDOW):
        for right, inner in enumerate(_WINDOW):
            beside = flat[down * stride + right :].take(place)
            weight += (beside == own) * (outer * inner)
    coverage[rows, columns] = _coverage_table(width)[weight]
    return coverage


def _near_borders(labels: np.ndarray) -> np.ndarray:
    """Finds the pixels beside a border, and those beside these: bool (H, W)."""
    near = np.zeros(labels.shape, bool)
    beside = labels[:, :-1] != labels[:, 1:]
    above = labels[:-1] != labels[1:]
    near[:, :-1] |= beside
    near[:, 1:] |= beside
    near[:-1] |= above
    near[1:] |= above
    wide = near.copy()
    wide[:, :-1] |= near[:, 1:]
    wide[:, 1:] |= near[:, :-1]
    wide[:-1] |= near[1:]
    wide[1:] |= near[:-1]
    return wide


def _coverage_table(width: float) -> np.ndarray:
    """Coverage by the weight of the pixels of the same region, uint8 (4097,)."""
    # Beside a straight border, at 0.5, 1.5, ... pixels from it.
    inside = np.cumsum(_WINDOW)[_REACH:].astype(float) * _WEIGHT
    distance = np.interp(
        np.arange(_WEIGHT**2 + 1),
        [_WEIGHT**2 / 2, *inside],
        [0, *(np.arange(len(inside)) + 0.5)],
    )
    covered = np.clip(width / 2 + 0.5 - distance, 0, 1)
    return np.round(255 * covered).astype(np.uint8)


def without_small_regions(labels: np.ndarray, smallest: int) -> np.ndarray:
    """Gives regions of fewer than `smallest` pixels to the class around them.

    A region is what hangs together by sides of pixels of one class. A small one becomes
    of the class that it shares most of its border with; where all are small, nothing
    changes.

    Args:
        labels: Integer (H, W), not negative.
        smallest: Number of pixels of the smallest region that stays.

    Returns:
        Labels of the same shape and type; the argument itself if it has none so small.
    """
    runs, first, region, sizes = _find_regions(labels)
    small = sizes < smallest
    if not small.any() or small.all():
        return labels
    value = np.zeros(len(sizes), np.int64)
    value[region] = labels.ravel()[first]
    settled = ~small
    pixels = _pixels_of_runs(first, np.flatnonzero(small[region]), labels.size)
    rows, columns = np.divmod(pixels, labels.shape[1])
    inner, outer = _sides(region, runs, rows, columns)
    classes = int(value.max()) + 1
    while (ready := ~settled[inner] & settled[outer]).any():
        votes = inner[ready] * classes + value[outer[ready]]
        votes, counts = np.unique(votes, return_counts=True)
        votes = votes[np.argsort(counts, kind="stable")]  # the last one counts
        value[votes // classes] = votes % classes
        settled[votes // classes] = True
    shown = labels.copy()
    shown[rows, columns] = value[region[runs[rows, columns]]]
    return shown


def _find_regions(labels: np.ndarray) -> tuple[np.ndarray, ...]:
    """Numbers the regions by runs, pieces of a row that are of one class.

    Returns the run of each pixel (H, W), the first pixel and the region of each run,
    and the number of pixels of each region.
    """
    starts = np.ones(labels.shape, bool)
    np.not_equal(labels[:, 1:], labels[:, :-1], out=starts[:, 1:])
    runs = np.cumsum(starts.ravel(), dtype=np.int32).reshape(labels.shape) - 1
    first = np.flatnonzero(starts)
    # Two runs of a class, one above the other, meet where the later of them starts.
    meet = (labels[1:] == labels[:-1]) & (starts[1:] | starts[:-1])
    parent = _join(len(first), runs[:-1][meet], runs[1:][meet])
    _, region = np.unique(parent, return_inverse=True)
    lengths = np.diff(first, append=labels.size)
    sizes = np.bincount(region, weights=lengths).astype(np.int64)
    return runs, first, region, sizes


def _pixels_of_runs(first: np.ndarray, chosen: np.ndarray, size: int) -> np.ndarray:
    """Returns the pixels of chosen runs, by their place in the flat picture."""
    lengths = np.append(first[1:], size)[chosen] - first[chosen]
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(first[chosen] - before, lengths)


def _join(count: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Joins pairs of `count` nodes: each one's lowest node among those it hangs on."""
    parent = np.arange(count)
    while len(one):
        one, other = parent[one], parent[other]
        apart = one != other
        one, other = one[apart], other[apart]
        parent[np.maximum(one, other)] = np.minimum(one, other)
        while not np.array_equal(above := parent[parent], parent):
            parent = above
    return parent


def _sides(
    region: np.ndarray, runs: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the regions on both sides of each side that the pixels have to others."""
    height, width = runs.shape
    own, inner, outer = region[runs[rows, columns]], [], []
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        # Outside of the picture is the pixel itself, which is no other region.
        beside = runs[
            np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1)
        ]
        other = region[beside]
        inner.append(own[other != own])
        outer.append(other[other != own])
    return np.concatenate(inner), np.concatenate(outer)
