"""Random faces as landmarks, in face widths: the geometry on which synthetic flow is drawn.

One canonical, symmetric face (proportions measured with ``recognizer.landmarks`` on public-domain portraits)
and its variation over people and poses. The origin lies between the outer eye corners, x right, y down; 1 is
the distance of φ1 and φ15.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recognizer.action_units import MIRROR

# The midline and the image's right half, by landmark: (outward, down). The left half is its mirror image.
_HALF = {
    **{8: (0.0, 0.855), 9: (0.094, 0.842), 10: (0.23, 0.768), 11: (0.345, 0.668), 12: (0.40, 0.58)},
    **{13: (0.445, 0.47), 14: (0.485, 0.30), 15: (0.50, 0.14), 16: (0.50, -0.07)},
    **{22: (0.11, -0.167), 23: (0.21, -0.186), 24: (0.305, -0.188), 25: (0.375, -0.16), 26: (0.42, -0.11)},
    **{27: (0.0, -0.03), 28: (0.0, 0.085), 29: (0.0, 0.20), 30: (0.0, 0.27)},
    **{33: (0.0, 0.36), 34: (0.053, 0.355), 35: (0.093, 0.325)},
    **{42: (0.128, 0.005), 43: (0.20, -0.034), 44: (0.28, -0.03), 45: (0.33, 0.0)},
    **{46: (0.27, 0.027), 47: (0.195, 0.027)},
    **{51: (0.0, 0.453), 52: (0.052, 0.445), 53: (0.104, 0.457), 54: (0.18, 0.527)},
    **{55: (0.104, 0.598), 56: (0.058, 0.615), 57: (0.0, 0.619)},
    **{62: (0.0, 0.493), 63: (0.04, 0.493), 64: (0.155, 0.52), 65: (0.043, 0.546), 66: (0.0, 0.548)},
}


def canonical() -> Tensor:
    """(68, 2) float32: the mean face."""
    points = torch.zeros(68, 2)
    for k, (x, y) in _HALF.items():
        points[k] = torch.tensor((x, y))
        points[MIRROR[k]] = torch.tensor((-x, y))
    return points


CANONICAL = canonical()

# Parts that vary together from face to face: landmarks, and the standard deviations by which the part moves
# outward and down, in face widths.
_PARTS: tuple[tuple[tuple[int, ...], tuple[float, float]], ...] = (
    (tuple(range(17, 27)), (0.012, 0.022)),  # brows
    (tuple(range(36, 48)), (0.012, 0.008)),  # eyes
    (tuple(range(27, 36)), (0.006, 0.02)),  # nose
    (tuple(range(48, 68)), (0.02, 0.03)),  # mouth
    (tuple(range(4, 13)), (0.012, 0.03)),  # chin and lower jaw
)


def random_faces(n: int, generator: torch.Generator) -> Tensor:
    """(n, 68, 2) landmarks of different people, nearly frontal.

    Proportions vary symmetrically; a slight turn and roll of the head and errors of single landmarks do not.
    """
    faces = CANONICAL.repeat(n, 1, 1)
    outward = CANONICAL[:, 0].sign()
    for points, (across, along) in _PARTS:
        index = list(points)
        shift = torch.randn(n, 2, generator=generator)
        faces[:, index, 0] += across * shift[:, :1] * outward[index]
        faces[:, index, 1] += along * shift[:, 1:]
    stretch = 1 + torch.randn(n, 1, generator=generator) * 0.05
    faces[..., 1] *= stretch
    # In a turned head, one half of the face appears narrower than the other.
    turn = torch.randn(n, 1, generator=generator) * 0.06
    faces[..., 0] += turn * (0.25 - faces[..., 0].square())
    roll = torch.randn(n, 1, generator=generator) * 0.025
    x, y = faces[..., 0].clone(), faces[..., 1].clone()
    faces[..., 0], faces[..., 1] = x - roll * y, y + roll * x
    return faces + torch.randn(faces.shape, generator=generator) * 0.005
