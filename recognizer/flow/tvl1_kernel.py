"""The compiled part of TV-L1 on the CPU, one scale of the pyramid; the rest is in ``tvl1_cpu.py``.

Importing this module imports numba, which takes longer than a flow does. Where machine code was kept,
``tvl1_cpu.py`` takes that instead.

Why it is fast: an iteration is one pass down the image, in which the dual variables follow the flow by one
row while both are in the nearest cache; every loop along a row becomes vector instructions (which is why all
of them are in one function: a call with arrays costs more than a row); the median of 25 is found by sorting
rows, columns and three diagonals; and nothing is allocated here or waits for a second thread.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, types

from recognizer.flow.parameters import Parameters
from recognizer.flow.tvl1_cpu import EDGE, LINE, MEDIAN, PLANES, Plane
from recognizer.machine.kernels import compiled, compiled_for_c

Places = npt.NDArray[np.int32]
"""(2, W): where the pixels of a row have moved to, in 1/32 pixel."""
Value = np.float32
f32 = np.float32


def _cubic_weights() -> Plane:
    """(32, 4): weights (a = −0.75) of four pixels, for a place k/32 of the way from the second to the
    third."""
    a, t = -0.75, np.arange(32) / 32
    outer = [((a * d - 5 * a) * d + 8 * a) * d - 4 * a for d in (t + 1, 2 - t)]
    inner = [((a + 2) * d - (a + 3)) * d * d + 1 for d in (t, 1 - t)]
    return np.asarray(np.stack([outer[0], inner[0], inner[1], outer[1]], axis=1), np.float32)


CUBIC = _cubic_weights()
FLT_EPSILON = np.float32(np.finfo(np.float32).eps)


@compiled
def _refine(
    first: Plane,
    second: Plane,
    u_out: Plane,
    v_out: Plane,
    planes: Plane,
    dual: Plane,
    source: Plane,
    places: Places,
    residual: Plane,
    p: Parameters,
) -> None:
    """One scale: improves the flow (u_out, v_out), (H, W) each, in place. The rest is room to work in."""
    height, width = first.shape
    u, v, spare = planes[0], planes[1], planes[2]
    constant, gx, gy, inverse, columns = planes[3], planes[4], planes[5], planes[6], planes[7]
    _with_derivatives(second, source)
    for y in range(height):
        for k in range(width):
            u[y, k + LINE] = u_out[y, k]
            v[y, k + LINE] = v_out[y, k]
    tolerance = p.epsilon * p.epsilon * height * width
    for _ in range(p.warps):
        _linearise(first, source, u, v, places, constant, gx, gy, inverse)
        for iteration in range(p.outer_iterations * p.inner_iterations):
            if iteration % p.inner_iterations == 0:
                _median(u, spare, columns, width)
                u, spare = spare, u
                _median(v, spare, columns, width)
                v, spare = spare, v
            if _iterate(u, v, dual, constant, gx, gy, inverse, residual, width, p) <= tolerance:
                break
    for y in range(height):
        for k in range(width):
            u_out[y, k] = u[y, k + LINE]
            v_out[y, k] = v[y, k + LINE]


@compiled
def _with_derivatives(picture: Plane, result: Plane) -> None:
    """Into ``result``, (3, H + 2 EDGE, W + 2 EDGE) zeros: the image, its differences d/dx and d/dy."""
    height, width = picture.shape
    for y in range(height):
        up, down = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            result[0, y + EDGE, x + EDGE] = picture[y, x]
            result[1, y + EDGE, x + EDGE] = f32(0.5) * (picture[y, right] - picture[y, left])
            result[2, y + EDGE, x + EDGE] = f32(0.5) * (picture[down, x] - picture[up, x])


@compiled
def _linearise(
    first: Plane,
    source: Plane,
    u: Plane,
    v: Plane,
    places: Places,
    constant: Plane,
    gx: Plane,
    gy: Plane,
    inverse: Plane,
) -> None:
    """Warps by the flow: near it the images differ by constant + gx·u + gy·v; inverse is 1 / |g|²."""
    height, width = first.shape
    for y in range(height):
        _warp_row(y, source[0], source[1], source[2], u, v, CUBIC, places, constant, gx, gy, width)
        for k in range(width):
            x = k + LINE
            constant[y, x] += -first[y, k] - gx[y, x] * u[y, x] - gy[y, x] * v[y, x]
            inverse[y, x] = f32(1) / max(gx[y, x] * gx[y, x] + gy[y, x] * gy[y, x], FLT_EPSILON)


@compiled
def _warp_row(
    y: int,
    a: Plane,
    b: Plane,
    c: Plane,
    u: Plane,
    v: Plane,
    weights: Plane,
    places: Places,
    warped_a: Plane,
    warped_b: Plane,
    warped_c: Plane,
    width: int,
) -> None:
    """Row y of three images, sampled cubically at its moved places to 1/32 pixel, as OpenCV 4 does."""
    height = u.shape[0]
    across, along = places[0], places[1]
    for k in range(width):
        across[k] = np.int32(np.rint(f32(32) * (f32(k) + u[y, k + LINE])))
        along[k] = np.int32(np.rint(f32(32) * (f32(y) + v[y, k + LINE])))
    for k in range(width):
        # The mask changes nothing: it tells the compiler that no index is negative.
        left = (min(max(across[k] >> 5, -3), width + 1) + EDGE - 1) & 0xFFFFFF
        top = (min(max(along[k] >> 5, -3), height + 1) + EDGE - 1) & 0xFFFFFF
        m, n = across[k] & 31, along[k] & 31
        w0, w1, w2, w3 = weights[m, 0], weights[m, 1], weights[m, 2], weights[m, 3]
        of_a = of_b = of_c = f32(0)
        for j in range(4):
            w, t = weights[n, j], top + j
            of_a += w * (w0 * a[t, left] + w1 * a[t, left + 1] + w2 * a[t, left + 2] + w3 * a[t, left + 3])
            of_b += w * (w0 * b[t, left] + w1 * b[t, left + 1] + w2 * b[t, left + 2] + w3 * b[t, left + 3])
            of_c += w * (w0 * c[t, left] + w1 * c[t, left + 1] + w2 * c[t, left + 2] + w3 * c[t, left + 3])
        warped_a[y, k + LINE] = of_a
        warped_b[y, k + LINE] = of_b
        warped_c[y, k + LINE] = of_c


@compiled
def _iterate(
    u: Plane,
    v: Plane,
    dual: Plane,
    constant: Plane,
    gx: Plane,
    gy: Plane,
    inverse: Plane,
    residual: Plane,
    width: int,
    p: Parameters,
) -> float:
    """One iteration in place; returns the sum over the pixels of the squared change of the flow.

    Row y is updated before the dual variables of row y − 1: those need its result, and it needs their old
    values. ``dual``: for u d/dx, d/dy, then for v. Row y of the flow is row y of d/dx and, under a row of
    zeros, row y + 1 of d/dy.
    """
    height = u.shape[0]
    ux, uy, vx, vy = dual[0], dual[1], dual[2], dual[3]
    theta, step, limit = f32(p.theta), f32(p.tau / p.theta), f32(p.lambda_ * p.theta)
    change = 0.0
    for y in range(height + 1):
        if y < height:
            of_row = f32(0)
            for k in range(width):
                x = k + LINE
                slack = (constant[y, x] + gx[y, x] * u[y, x] + gy[y, x] * v[y, x]) * inverse[y, x]
                residual[k] = min(max(-slack, -limit), limit)
            for k in range(width):
                x = k + LINE
                move = gx[y, x] * residual[k] + theta * (ux[y, x] - ux[y, x - 1] + uy[y + 1, x] - uy[y, x])
                u[y, x] += move
                of_row += move * move
            for k in range(width):
                x = k + LINE
                move = gy[y, x] * residual[k] + theta * (vx[y, x] - vx[y, x - 1] + vy[y + 1, x] - vy[y, x])
                v[y, x] += move
                of_row += move * move
            change += float(of_row)
            u[y, LINE + width] = u[y, LINE + width - 1]
            v[y, LINE + width] = v[y, LINE + width - 1]
        if y > 0:
            down = min(y, height - 1)
            for k in range(width):
                x = k + LINE
                along, across = u[y - 1, x + 1] - u[y - 1, x], u[down, x] - u[y - 1, x]
                shrink = f32(1) / (f32(1) + step * np.sqrt(along * along + across * across))
                ux[y - 1, x] = (ux[y - 1, x] + step * along) * shrink
                uy[y, x] = (uy[y, x] + step * across) * shrink
            for k in range(width):
                x = k + LINE
                along, across = v[y - 1, x + 1] - v[y - 1, x], v[down, x] - v[y - 1, x]
                shrink = f32(1) / (f32(1) + step * np.sqrt(along * along + across * across))
                vx[y - 1, x] = (vx[y - 1, x] + step * along) * shrink
                vy[y, x] = (vy[y, x] + step * across) * shrink
    return change


@compiled
def _median(source: Plane, result: Plane, columns: Plane, width: int) -> None:
    """Median of the 5×5 pixels around each one, edges repeated. ``columns``: room for five rows.

    Columns and then rows of the square are sorted, then the diagonal from corner to corner and the two beside
    it. That leaves three candidates for the median: the greatest value above the diagonal, the middle one on
    it and the least below it. All others have 13 values that are not smaller, or not greater. A column is
    sorted once for the five squares that it is in.
    """
    height = source.shape[0]
    first, second, third, fourth, fifth = columns[0], columns[1], columns[2], columns[3], columns[4]
    for y in range(height):
        for k in range(2):
            source[y, LINE - 1 - k] = source[y, LINE]
            source[y, LINE + width + k] = source[y, LINE + width - 1]
    for y in range(height):
        a, b, d, e = max(y - 2, 0), max(y - 1, 0), min(y + 1, height - 1), min(y + 2, height - 1)
        for k in range(width + 4):
            x = k + LINE - 2
            first[k], second[k], third[k], fourth[k], fifth[k] = _sort(
                source[a, x], source[b, x], source[y, x], source[d, x], source[e, x]
            )
        for k in range(width):
            _, _, _, a3, a4 = _sort(first[k], first[k + 1], first[k + 2], first[k + 3], first[k + 4])
            _, _, b2, b3, b4 = _sort(second[k], second[k + 1], second[k + 2], second[k + 3], second[k + 4])
            _, c1, c2, c3, _ = _sort(third[k], third[k + 1], third[k + 2], third[k + 3], third[k + 4])
            d0, d1, d2, _, _ = _sort(fourth[k], fourth[k + 1], fourth[k + 2], fourth[k + 3], fourth[k + 4])
            e0, e1, _, _, _ = _sort(fifth[k], fifth[k + 1], fifth[k + 2], fifth[k + 3], fifth[k + 4])
            low = max(a3, b2, c1, d0)
            high = min(b4, c3, d2, e1)
            _, _, middle, _, _ = _sort(a4, b3, c2, d1, e0)
            result[y, k + LINE] = max(min(low, middle), min(max(low, middle), high))


@compiled
def _sort(a: Value, b: Value, c: Value, d: Value, e: Value) -> tuple[Value, Value, Value, Value, Value]:
    """Five values in ascending order, without a branch."""
    a, b = min(a, b), max(a, b)
    d, e = min(d, e), max(d, e)
    c, e = min(c, e), max(c, e)
    c, d = min(c, d), max(c, d)
    a, d = min(a, d), max(a, d)
    a, c = min(a, c), max(a, c)
    b, e = min(b, e), max(b, e)
    b, d = min(b, d), max(b, d)
    b, c = min(b, c), max(b, c)
    return a, b, c, d, e


def refine_function() -> Any:
    """``_refine``, compiled for C as ``tvl1_cpu.py`` calls it: numba's ``CFunc``."""
    floats, whole, number = types.CPointer(types.float32), types.int64, types.float64
    arrays = (*7 * (floats,), types.CPointer(types.int32), floats)
    signature = types.void(*arrays, *3 * (whole,), *4 * (number,), *3 * (whole,))
    return compiled_for_c(signature, _refine_in_c)


def _refine_in_c(  # type: ignore[no-untyped-def]  # numba's pointers have no types here
    first,
    second,
    u,
    v,
    planes,
    dual,
    source,
    places,
    residual,
    height,
    width,
    pitch,
    tau,
    lambda_,
    theta,
    epsilon,
    warps,
    outer_iterations,
    inner_iterations,
):
    size = (height, width)
    _refine(
        carray(first, size),
        carray(second, size),
        carray(u, size),
        carray(v, size),
        carray(planes, (PLANES, height, pitch)),
        carray(dual, (4, height + 1, pitch)),
        carray(source, (3, height + 2 * EDGE, width + 2 * EDGE)),
        carray(places, (2, width)),
        carray(residual, (width,)),
        Parameters(tau, lambda_, theta, 1, 1.0, warps, outer_iterations, inner_iterations, epsilon, MEDIAN),
    )
