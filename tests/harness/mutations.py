"""Damage to image files and JSON, as a bad disk or a malicious sender would do it."""

import json
import math
import struct

import numpy as np

from harness.image_files import png_chunk

_NUMBERS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\x1f\xff")
_SIDES = (0, 1, 7, 255, 4000, 8191, 65535, 2**31 - 1)


def mutate(content: bytes, donor: bytes, rng: np.random.Generator) -> bytes:
    """Damages a file in one to three places; in half of them its structure is kept.

    Args:
        content: A whole file; a PNG's and a JPEG's parts are found.
        donor: Another file, whose end may be put behind the beginning.
        rng: Draws what happens and where.
    """
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.5:
            content = _mutate_bytes(content, donor, rng)
        elif content[:4] == b"\x89PNG":
            content = _mutate_png(content, rng)
        elif content[:2] == b"\xff\xd8":
            content = _mutate_jpeg(content, rng)
    return content


def _mutate_bytes(content: bytes, donor: bytes, rng) -> bytes:
    data = bytearray(content or b"\0")
    # Headers are short and matter most.
    near = min(len(data), int(rng.choice([32, 256, 1 << 30])))
    at, length = int(rng.integers(near)), int(rng.integers(1, 20))
    action = rng.integers(8)
    if action == 0:
        data[at] = rng.integers(256)
    elif action == 1:
        data[at] ^= 1 << int(rng.integers(8))
    elif action == 2:
        del data[int(rng.integers(len(data))) :]
    elif action == 3:
        data[at:at] = rng.bytes(length)
    elif action == 4:
        del data[at : at + length]
    elif action == 5:
        other = int(rng.integers(len(data)))
        part, taken = data[at : at + length], data[other : other + length]
        data[at : at + length], data[other : other + length] = taken, part
    elif action == 6:
        data[at : at + 4] = _NUMBERS[rng.integers(len(_NUMBERS))]
    else:
        data[at:] = donor[int(rng.integers(len(donor))) :]
    return bytes(data)


def _mutate_png(content: bytes, rng) -> bytes:
    """Changes chunks and makes their CRCs right, so that the change is believed."""
    chunks, at = [], 8
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, inside = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        chunks.append((kind, inside))
        at += 12 + length
    if not chunks:
        return content
    place = int(rng.integers(len(chunks)))
    kind, inside = chunks[place]
    if rng.random() < 0.5:
        chunks = _shuffle(chunks, place, rng)
    elif kind == b"IHDR" and len(inside) >= 8 and rng.random() < 0.5:
        sides = struct.pack(">II", *rng.choice(_SIDES, 2))
        chunks[place] = (kind, sides + inside[8:])
    elif inside:
        chunks[place] = (kind, _mutate_bytes(inside, inside, rng))
    return content[:8] + b"".join(png_chunk(*chunk) for chunk in chunks)


def _mutate_jpeg(content: bytes, rng) -> bytes:
    """Changes the segments before the coded pixels."""
    segments, at = [], 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        (length,) = struct.unpack_from(">H", content, at + 2)
        segments.append(content[at : at + 2 + length])
        at += 2 + length
        if segments[-1][1] == 0xDA:  # the pixels begin
            break
    if not segments:
        return content
    place = int(rng.integers(len(segments)))
    frames = [i for i, part in enumerate(segments) if part[1] in (0xC0, 0xC2)]
    if frames and rng.random() < 0.3:  # height and width
        part = segments[frames[0]]
        sides = struct.pack(">HH", *(rng.choice(_SIDES, 2) & 0xFFFF))
        segments[frames[0]] = part[:5] + sides + part[9:]
    elif rng.random() < 0.5:
        segments = _shuffle(segments, place, rng)
    else:
        head, inside = segments[place][:4], segments[place][4:]
        segments[place] = head + _mutate_bytes(inside, inside or b"\0", rng)
    return content[:2] + b"".join(segments) + content[at:]


def _shuffle(parts: list, place: int, rng) -> list:
    """Drops, doubles or swaps a part."""
    parts = list(parts)
    action, other = rng.integers(3), int(rng.integers(len(parts)))
    if action == 0:
        del parts[place]
    elif action == 1:
        parts.insert(other, parts[place])
    else:
        parts[place], parts[other] = parts[other], parts[place]
    return parts


_NASTY = (
    None, True, -1, 0, 256, 2**31, 2**63, 10**30, 10**400, 0.5, -0.0, 1e308, math.nan,
    math.inf, "", "x", "\x1b[2J", "\ud800", "x" * 5000, [], [[]], {},
    {"": 0}, [0] * 999,
)  # fmt: skip


def mutate_json(text: str, rng: np.random.Generator) -> bytes:
    """Damages JSON: its bytes, its depth, or values and keys that stay JSON."""
    action = rng.random()
    if action < 0.3:
        return mutate(text.encode(), text.encode(), rng)
    if action < 0.35:
        deep = int(rng.choice([200, 100_000]))
        return b"[" * deep + b"]" * deep
    content = json.loads(text)
    for _ in range(rng.integers(1, 4)):
        content = _mutate_value(content, rng)
    return json.dumps(content).encode()


def _mutate_value(value, rng):
    """Replaces, drops, doubles or renames something at some depth of JSON."""
    if not value or not isinstance(value, list | dict) or rng.random() < 0.1:
        return _NASTY[rng.integers(len(_NASTY))]
    value = value.copy()
    keys = [*value] if isinstance(value, dict) else range(len(value))
    key, action = keys[rng.integers(len(keys))], rng.random()
    if action < 0.8:
        value[key] = _mutate_value(value[key], rng)
    elif action < 0.9:
        del value[key]
    elif isinstance(value, dict):
        value[f"{key}?"] = value.pop(key)
    else:
        value.append(value[key])
    return value
