"""Parts of the face whose movements are followed each by itself.

Brows may flash while the mouth talks, and lip corners move during a blink.
"""

from __future__ import annotations

import numpy as np

from spotting.face_places import REGIONS, Floats

PARTS: dict[str, tuple[str, ...]] = {
    "brows": ("inner brows", "outer brows"),
    "eyes": ("under eyes",),
    "mouth": ("nose", "cheeks", "lip corners", "upper lip", "lower lip", "chin"),
}
"""Name → its regions."""
PART_OF = {region: number for number, regions in enumerate(PARTS.values()) for region in regions}
"""Region → index of its part."""
_NAMES = tuple(REGIONS)
_IN_PART = [np.array([name in regions for name in REGIONS]) for regions in PARTS.values()]


def by_part(lengths: Floats) -> Floats:
    """(…, regions) lengths → (…, parts): of each part's region that moved furthest."""
    return np.stack([lengths[..., inside].max(axis=-1) for inside in _IN_PART], axis=-1)


def furthest_of(part: int, lengths: Floats) -> str:
    """The region of this part that moved furthest, by (regions,) lengths."""
    return _NAMES[int(np.where(_IN_PART[part], lengths, -1.0).argmax())]
