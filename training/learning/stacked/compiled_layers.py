"""Batch norm, ReLU and max-pool of one network on a CPU, compiled by numba: one or two passes each.

Activations are channels last, treated here as lines, (samples · height, width · channels), of float32, or of
bfloat16 held as uint16 because numba has no such type. Channels are few (6 to 24), so a loop over those of
one place would fill no vector register: all arithmetic runs along whole lines, with scale and shift repeated
along them, and only the step between 2×2 places and one runs by channel. Each loop has few enough arrays for
the compiler to prove that they do not overlap, which is why some are split in two. Sums are float32 within a
block of lines and float64 beyond.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from recognizer.machine.compiling import kept_on_disk
from training.learning.stacked.layers import EPS

Lines = npt.NDArray[Any]
"""(lines, width · channels), float32 or bfloat16 as uint16."""
Values = npt.NDArray[np.float32]
Channels = tuple[float, ...]
"""A value per channel; a tuple, so that their number is known when the loops over them are compiled."""
BLOCK = 28
"""Lines whose sum is kept in float32."""

f32 = np.float32
Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Keeps sums in order: of two equal places, only one must be found the greater."""
    return cast(Function, numba.njit(nogil=True, fastmath={"contract"}, error_model="numpy")(function))


def compiled_once(function: Function) -> Function:
    """For functions that Python calls: compiled at the first call, cached on disk where that is possible."""
    return kept_on_disk(compiled(function))


# --------------------------------------------------------------------------- bfloat16


@intrinsic  # type: ignore[untyped-decorator]
def widened(_: Any, value: Any) -> Any:
    """float32 of a float32 or of a bfloat16's bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if signature.args[0] == types.float32:
            return arguments[0]
        bits = builder.shl(builder.zext(arguments[0], ir.IntType(32)), ir.Constant(ir.IntType(32), 16))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(value), generate


@intrinsic  # type: ignore[untyped-decorator]
def narrowed(_: Any, value: Any, like: Any) -> Any:
    """A float32 as the type of ``like``: itself, or the bits of the nearest bfloat16 (even on a tie)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if signature.args[1] == types.float32:
            return arguments[0]
        word = ir.IntType(32)
        bits = builder.bitcast(arguments[0], word)
        upper = builder.lshr(bits, ir.Constant(word, 16))
        odd = builder.and_(upper, ir.Constant(word, 1))
        rounded = builder.add(bits, builder.add(odd, ir.Constant(word, 0x7FFF)))
        return builder.trunc(builder.lshr(rounded, ir.Constant(word, 16)), ir.IntType(16))

    return like(types.float32, like), generate


# --------------------------------------------------------------------------- statistics


@compiled_once
def moments(y: Lines, channels: int) -> npt.NDArray[np.float64]:
    """(2, channels): mean and variance."""
    rows, length = y.shape
    total, square = np.zeros(length, f32), np.zeros(length, f32)
    sums = np.zeros((2, channels), np.float64)
    for start in range(0, rows, BLOCK):
        total[:] = 0
        square[:] = 0
        for r in range(start, min(start + BLOCK, rows)):
            line = y[r]
            for i in range(length):
                value = widened(line[i])
                total[i] += value
                square[i] += value * value
        _gather(total, square, sums)
    count = rows * (length // channels)
    sums /= count
    for c in range(channels):
        sums[1, c] = max(sums[1, c] - sums[0, c] * sums[0, c], 0.0)
    return sums


@compiled
def _gather(first: Values, second: Values, sums: npt.NDArray[np.float64]) -> None:
    """Sums two lines by channel."""
    channels = sums.shape[1]
    for start in range(0, len(first), channels):
        for c in range(channels):
            sums[0, c] += first[start + c]
            sums[1, c] += second[start + c]


@compiled
def _along(values: Channels, length: int) -> Values:
    """The channels' values repeated along a line."""
    line = np.empty(length, f32)
    for start in range(0, length, len(values)):
        for c in range(len(values)):
            line[start + c] = values[c]
    return line


# --------------------------------------------------------------------------- forward


@compiled_once
def relu(y: Lines, scale: Channels, shift: Channels, out: Lines) -> None:
    """max(y · scale + shift, 0) into ``out``."""
    rows, length = y.shape
    a, b = _along(scale, length), _along(shift, length)
    for r in range(rows):
        line, target = y[r], out[r]
        for i in range(length):
            value = widened(line[i]) * a[i] + b[i]
            target[i] = narrowed(value if value > 0 else f32(0), line[i])


@compiled_once
def pool_relu(y: Lines, scale: Channels, shift: Channels, out: npt.NDArray[Any], first: int) -> None:
    """``relu`` and a 2×2 max-pool into ``out`` (lines / 2, width / 2, all), channels from ``first`` on."""
    rows, length = y.shape
    channels = len(scale)
    a, b = _along(scale, length), _along(shift, length)
    higher, greatest = np.empty(length + channels, f32), np.empty(length, f32)
    higher[length:] = 0
    for r in range(rows // 2):
        _higher(y[2 * r], y[2 * r + 1], a, b, higher)
        shifted = higher[channels:]
        for i in range(length):
            value = higher[i] if higher[i] > shifted[i] else shifted[i]
            greatest[i] = value if value > 0 else f32(0)
        for j in range(out.shape[1]):
            place, source = out[r, j, first : first + channels], greatest[2 * j * channels :]
            for c in range(channels):
                place[c] = narrowed(source[c], place[c])


@compiled
def _higher(top: Lines, bottom: Lines, a: Values, b: Values, result: Values) -> None:
    """The greater of two lines after scale and shift."""
    for i in range(len(top)):
        upper, lower = widened(top[i]) * a[i] + b[i], widened(bottom[i]) * a[i] + b[i]
        result[i] = upper if upper > lower else lower


# --------------------------------------------------------------------------- backward


@compiled_once
def relu_back(y: Lines, scale: Channels, shift: Channels, dout: Lines, dy: Lines) -> npt.NDArray[np.float64]:
    """The gradient of y · scale + shift into ``dy``.

    Returns (2, channels): its sum, and that of its product with y.
    """
    rows, length = y.shape
    a, b = _along(scale, length), _along(shift, length)
    total, product = np.zeros(length, f32), np.zeros(length, f32)
    sums = np.zeros((2, len(scale)), np.float64)
    passed = np.empty(length, f32)
    for start in range(0, rows, BLOCK):
        total[:] = 0
        product[:] = 0
        for r in range(start, min(start + BLOCK, rows)):
            line, above, below = y[r], dout[r], dy[r]
            for i in range(length):
                passed[i] = widened(above[i]) if widened(line[i]) * a[i] + b[i] > 0 else f32(0)
            for i in range(length):
                below[i] = narrowed(passed[i], below[i])
            for i in range(length):
                total[i] += passed[i]
                product[i] += passed[i] * widened(line[i])
        _gather(total, product, sums)
    return sums


@compiled_once
def pool_relu_back(
    y: Lines, scale: Channels, shift: Channels, dout: npt.NDArray[Any], first: int, dy: Lines
) -> npt.NDArray[np.float64]:
    """As ``relu_back``, through the pool: only the greatest of 2×2 has a gradient."""
    rows, length = y.shape
    channels = len(scale)
    a, b = _along(scale, length), _along(shift, length)
    left = _lefts(length, channels)
    total, product = np.zeros(length, f32), np.zeros(length, f32)
    sums = np.zeros((2, channels), np.float64)
    higher = np.zeros(length + 2 * channels, f32)
    here, beyond = higher[channels : channels + length], higher[2 * channels :]
    passed, upper = np.empty(length, f32), np.empty(length, f32)
    for start in range(0, rows // 2, BLOCK // 2):
        total[:] = 0
        product[:] = 0
        for r in range(start, min(start + BLOCK // 2, rows // 2)):
            top, bottom = y[2 * r], y[2 * r + 1]
            _higher(top, bottom, a, b, here)
            for j in range(dout.shape[1]):
                place, target = dout[r, j, first : first + channels], passed[2 * j * channels :]
                for c in range(channels):
                    value = widened(place[c])
                    target[c] = value
                    target[channels + c] = value
            for i in range(length):
                other = beyond[i] * left[i] + higher[i] * (f32(1) - left[i])
                wins = (here[i] > other) | (
                    (here[i] == other) & (left[i] > 0)
                )  # of equal values, the left one
                passed[i] = passed[i] if wins & (here[i] > 0) else f32(0)
            for i in range(length):
                fall = (widened(top[i]) - widened(bottom[i])) * a[i]
                upper[i] = passed[i] if fall >= 0 else f32(0)
            for i in range(length):
                total[i] += passed[i]
                product[i] += upper[i] * widened(top[i]) + (passed[i] - upper[i]) * widened(bottom[i])
            above, below = dy[2 * r], dy[2 * r + 1]
            for i in range(length):
                above[i] = narrowed(upper[i], above[i])
                below[i] = narrowed(passed[i] - upper[i], below[i])
        _gather(total, product, sums)
    return sums


@compiled
def _lefts(length: int, channels: int) -> Values:
    """1 where a line's place is the left one of its pair."""
    line = np.zeros(length, f32)
    for start in range(0, length, 2 * channels):
        line[start : start + channels] = 1
    return line


@compiled_once
def through_statistics(
    dy: Lines,
    y: Lines,
    gamma: Values,
    moments: npt.NDArray[np.float64],
    sums: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Turns the gradient ``dy`` of a batch norm's result, whose ``sums`` are known, into that of its input y.

    scale · (dy − mean(dy) − x̂ · mean(dy·x̂)), which is linear in dy and y. Returns those of γ and β (2, C).
    """
    rows, length = y.shape
    mean, dbeta = moments[0], sums[0]
    inverse = 1 / np.sqrt(moments[1] + EPS)
    dgamma = (sums[1] - mean * dbeta) * inverse
    count = rows * (length // len(gamma))
    scale = gamma * inverse
    slope = -scale * inverse * dgamma / count
    offset = -scale * dbeta / count - slope * mean
    a, b, c = _along(scale, length), _along(slope, length), _along(offset, length)
    for r in range(rows):
        line, gradient = y[r], dy[r]
        for i in range(length):
            value = widened(gradient[i]) * a[i] + (widened(line[i]) * b[i] + c[i])
            gradient[i] = narrowed(value, gradient[i])
    gradients = np.empty_like(sums)
    gradients[0] = dgamma
    gradients[1] = dbeta
    return gradients
