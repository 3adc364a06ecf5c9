"""3×3 max-pool of stride 1 on a CPU, compiled: first over three lines, then over three places in a line.

Lines as in ``learning.stacked.compiled_layers``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.learning.stacked.compiled_layers import (
    Lines,
    Values,
    compiled,
    compiled_once,
    f32,
    narrowed,
    widened,
)

Bytes = npt.NDArray[np.uint8]


@compiled_once
def pool3(x: Lines, height: int, channels: int, out: Lines, rows: Bytes, columns: Bytes) -> None:
    """3×3 max-pool of stride 1 of (samples · height) lines into ``out``.

    ``rows`` and ``columns``: which of three lines, and then of three places, was the greatest (0, 1, 2).
    """
    count, length = x.shape
    greatest = np.empty(length, f32)
    three = np.full((3, length), -np.inf, f32)
    middle = np.full(length + 2 * channels, -np.inf, f32)
    before, here, after = middle[:length], middle[channels : channels + length], middle[2 * channels :]
    for r in range(count):
        y = r % height
        if y == 0:
            three[0] = -np.inf
            _widen(x[r], three[1])
        else:
            three[0] = three[1]
            three[1] = three[2]
        if y < height - 1:
            _widen(x[r + 1], three[2])
        else:
            three[2] = -np.inf
        _greatest(three[0], three[1], three[2], here, rows[r])
        _greatest(before, here, after, greatest, columns[r])
        line = out[r]
        for i in range(length):
            line[i] = narrowed(greatest[i], line[i])


@compiled
def _widen(line: Lines, result: Values) -> None:
    for i in range(len(line)):
        result[i] = widened(line[i])


@compiled
def _greatest(a: Values, b: Values, c: Values, result: Values, which: Bytes) -> None:
    for i in range(len(which)):
        later = b[i] if b[i] > c[i] else c[i]
        which[i] = 0 if a[i] > later else (1 if b[i] > c[i] else 2)
        result[i] = a[i] if a[i] > later else later


@compiled_once
def pool3_back(
    dout: Lines,
    others: tuple[Lines, Lines, Lines],
    height: int,
    channels: int,
    rows: Bytes,
    columns: Bytes,
    dx: Lines,
) -> None:
    """The gradient of ``pool3``'s input, ``others`` added to it, into ``dx``."""
    count, length = dx.shape
    padded = np.zeros(length + 2 * channels, f32)
    chosen = np.full(length + 2 * channels, 1, np.uint8)
    three = np.zeros((3, length), f32)  # gradients of the maxima over three lines: above, here, below
    nothing = np.full(length, 3, np.uint8)
    total = np.empty(length, f32)
    for r in range(count):
        y = r % height
        if y == 0:
            three[0] = 0
            _to_places(dout[r], columns[r], channels, padded, chosen, three[1])
        else:
            three[0] = three[1]
            three[1] = three[2]
        if y < height - 1:
            _to_places(dout[r + 1], columns[r + 1], channels, padded, chosen, three[2])
        above = rows[r - 1] if y > 0 else nothing
        below = rows[r + 1] if y < height - 1 else nothing
        _chosen(three, above, rows[r], below, total)
        _sum(others[0][r], others[1][r], others[2][r], total, dx[r])


@compiled
def _to_places(
    dout: Lines, columns: Bytes, channels: int, padded: Values, chosen: Bytes, result: Values
) -> None:
    """The gradient of a line's maxima over three lines, from that of the maxima over three places in it."""
    length = len(dout)
    _widen(dout, padded[channels : channels + length])
    chosen[channels : channels + length] = columns
    before, here, after = padded[:length], padded[channels : channels + length], padded[2 * channels :]
    first, own, last = chosen[:length], chosen[channels : channels + length], chosen[2 * channels :]
    for i in range(length):
        value = before[i] if first[i] == 2 else f32(0)
        value += here[i] if own[i] == 1 else f32(0)
        result[i] = value + (after[i] if last[i] == 0 else f32(0))


@compiled
def _chosen(three: Values, above: Bytes, here: Bytes, below: Bytes, result: Values) -> None:
    """The gradient of one line, from that of the three maxima over three lines that it took part in."""
    first, own, last = three[0], three[1], three[2]
    for i in range(len(result)):
        value = first[i] if above[i] == 2 else f32(0)
        value += own[i] if here[i] == 1 else f32(0)
        result[i] = value + (last[i] if below[i] == 0 else f32(0))


@compiled
def _sum(a: Lines, b: Lines, c: Lines, d: Values, dx: Lines) -> None:
    for i in range(len(dx)):
        dx[i] = narrowed(widened(a[i]) + widened(b[i]) + widened(c[i]) + d[i], dx[i])
