"""The facial action units (FACS) that micro-expressions are made of, as motion of the skin.

Each action unit is a few *bumps*: places on the face that move, in which direction, and how far around them
the skin is dragged along. Anatomy (which muscle pulls where) follows the FACS manual (Ekman, Friesen & Hager
2002) and the muscle descriptions there; extents are ours. Everything is measured in face widths (φ1 to φ15),
so that one table serves any image.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bump:
    """One moving place. Written for the image's left side; the right side is its mirror image."""

    anchor: tuple[int, ...]
    """Landmarks (68-point, 0-based) whose mean is where the pull is greatest."""
    shift: tuple[float, float]
    """Anchor displacement in face widths: (outward, down)."""
    pull: tuple[float, float]
    """Direction and relative strength: (outward, down). The strongest bump of a unit has length 1."""
    radius: tuple[float, float]
    """Standard deviations of the Gaussian around the anchor, in face widths: (across, along the face)."""
    central: bool = False
    """On the midline: one bump for both sides, ``outward`` means the image's right."""


@dataclass(frozen=True)
class ActionUnit:
    """One FACS action unit."""

    number: int
    name: str
    muscle: str
    bumps: tuple[Bump, ...]


_TABLE = (
    ActionUnit(
        1,
        "inner brow raiser",
        "frontalis, pars medialis",
        (Bump((20, 21), (0, -0.02), (0.0, -1.0), (0.085, 0.085)),),
    ),
    ActionUnit(
        2,
        "outer brow raiser",
        "frontalis, pars lateralis",
        (
            Bump((17, 18, 19), (0.02, -0.02), (-0.08, -1.0), (0.10, 0.085)),
            Bump(
                (21,), (-0.01, 0.0), (0.25, -0.25), (0.045, 0.045)
            ),  # the inner end of the brow is drawn sideways
        ),
    ),
    ActionUnit(
        4,
        "brow lowerer",
        "corrugator supercilii, depressor supercilii",
        (
            Bump((20, 21), (0, 0), (-0.45, 0.89), (0.085, 0.075)),
            Bump((18, 19), (0, 0), (-0.25, 0.45), (0.08, 0.06)),
        ),
    ),
    ActionUnit(
        5,
        "upper lid raiser",
        "levator palpebrae superioris",
        (Bump((37, 38), (0, 0), (0.0, -1.0), (0.055, 0.03)),),
    ),
    ActionUnit(
        6,
        "cheek raiser",
        "orbicularis oculi, pars orbitalis",
        (
            Bump((41,), (0.03, 0.10), (-0.15, -0.99), (0.11, 0.075)),
            Bump((36,), (0.03, 0.02), (-0.6, -0.2), (0.05, 0.05)),
            Bump((37, 38), (0, 0), (0.0, 0.4), (0.06, 0.03)),  # the eye narrows from above as well
        ),
    ),
    ActionUnit(
        7,
        "lid tightener",
        "orbicularis oculi, pars palpebralis",
        (
            Bump((40, 41), (0, 0.02), (-0.15, -0.99), (0.07, 0.035)),
            Bump((37, 38), (0, 0), (0.0, 0.5), (0.06, 0.03)),
        ),
    ),
    ActionUnit(
        9,
        "nose wrinkler",
        "levator labii superioris alaeque nasi",
        (
            Bump((31, 39), (0.01, 0.02), (-0.1, -1.0), (0.06, 0.09)),
            Bump((21,), (-0.02, 0.02), (-0.2, 0.6), (0.06, 0.06)),
            Bump((50,), (0.02, -0.03), (0.0, -0.5), (0.06, 0.05)),
        ),
    ),
    ActionUnit(
        10,
        "upper lip raiser",
        "levator labii superioris",
        (
            Bump((49, 50), (0.01, -0.01), (0.1, -1.0), (0.075, 0.06)),
            Bump((31,), (0.05, 0.04), (0.1, -0.6), (0.06, 0.06)),
        ),
    ),
    ActionUnit(
        12,
        "lip corner puller",
        "zygomaticus major",
        (
            Bump((48,), (0.02, -0.02), (0.5, -0.87), (0.09, 0.08)),
            Bump((48,), (0.16, -0.20), (0.65, -0.3), (0.10, 0.09)),  # the cheek bulges outward
        ),
    ),
    ActionUnit(14, "dimpler", "buccinator", (Bump((48,), (0.02, 0), (0.95, -0.1), (0.065, 0.065)),)),
    ActionUnit(
        15,
        "lip corner depressor",
        "depressor anguli oris",
        (Bump((48,), (0.01, 0.02), (0.2, 0.98), (0.08, 0.08)),),
    ),
    ActionUnit(
        17,
        "chin raiser",
        "mentalis",
        (
            Bump((57, 8), (0, 0.0), (0.0, -1.0), (0.11, 0.075), central=True),
            Bump((57,), (0, 0), (0.0, -0.7), (0.10, 0.05), central=True),
        ),
    ),
    ActionUnit(20, "lip stretcher", "risorius", (Bump((48,), (0.02, 0.01), (1.0, 0.1), (0.10, 0.08)),)),
    ActionUnit(
        23,
        "lip tightener",
        "orbicularis oris",
        (
            Bump((48,), (0, 0), (-0.8, 0.0), (0.06, 0.06)),
            Bump((51,), (0, 0), (0.0, 0.5), (0.09, 0.035), central=True),
            Bump((57,), (0, 0), (0.0, -0.5), (0.09, 0.035), central=True),
        ),
    ),
    ActionUnit(
        24,
        "lip presser",
        "orbicularis oris",
        (
            Bump((51,), (0, 0), (0.0, 0.8), (0.11, 0.035), central=True),
            Bump((57,), (0, 0), (0.0, -1.0), (0.11, 0.04), central=True),
        ),
    ),
    ActionUnit(
        25,
        "lips part",
        "depressor labii inferioris",
        (
            Bump((57,), (0, 0), (0.0, 1.0), (0.11, 0.055), central=True),
            Bump((51,), (0, 0), (0.0, -0.4), (0.10, 0.04), central=True),
        ),
    ),
    ActionUnit(
        26,
        "jaw drop",
        "masseter relaxed",
        (
            Bump((8,), (0, -0.03), (0.0, 1.0), (0.22, 0.12), central=True),
            Bump((57,), (0, 0), (0.0, 0.8), (0.13, 0.06), central=True),
        ),
    ),
    ActionUnit(
        45,
        "blink",
        "levator palpebrae relaxed, orbicularis oculi",
        (
            Bump((37, 38), (0, 0), (-0.05, 1.0), (0.06, 0.028)),
            Bump((40, 41), (0, 0.01), (-0.2, -0.25), (0.06, 0.03)),
        ),
    ),
)

ACTION_UNITS: dict[int, ActionUnit] = {unit.number: unit for unit in _TABLE}
"""FACS number → action unit."""


def _mirror() -> list[int]:
    order = list(range(68))
    swaps = [(k, 16 - k) for k in range(8)] + [(17 + k, 26 - k) for k in range(5)]
    swaps += [(31, 35), (32, 34), (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]
    swaps += [(48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67)]
    for a, b in swaps:
        order[a], order[b] = b, a
    return order


MIRROR: list[int] = _mirror()
"""Landmark k of a mirrored face is landmark ``MIRROR[k]`` of the original."""
