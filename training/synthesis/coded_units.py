"""The action units with which real micro-expressions were coded, and how often.

Counts of DFME (Zhao et al. 2023, DOI 10.1109/TAFFC.2023.3341918) and CAS(ME)³ (Li et al. 2022, DOI
10.1109/TPAMI.2022.3174895) together, sides left out: combinations coded at least four times whose units
``recognizer.action_units`` knows, nine tenths of all. The shares of one-sided units are DFME's.
"""

from __future__ import annotations

from recognizer.recognition import CLASSES
from training.synthesis.emotions import Recipe

_NEGATIVE: tuple[Recipe, ...] = (
    (670, (4,)),
    (307, (4, 7)),
    (153, (14,)),
    (121, (24,)),
    (121, (7,)),
    (96, (12,)),
    (51, (17,)),
    (45, (14, 24)),
    (43, (4, 5)),
    (39, (1,)),
    (34, (10,)),
    (32, (4, 7, 10)),
    (29, (5,)),
    (28, (15,)),
    (28, (4, 6)),
    (26, (6, 12)),
    (24, (4, 9)),
    (23, (20,)),
    (23, (1, 2, 5)),
    (22, (23,)),
    (22, (4, 10)),
    (20, (1, 2)),
    (17, (4, 17)),
    (16, (1, 4)),
    (15, (9,)),
    (12, (17, 24)),
    (8, (6, 10)),
    (8, (5, 24)),
    (7, (7, 14)),
    (7, (7, 24)),
    (7, (4, 9, 14)),
    (6, (4, 14)),
    (6, (4, 15)),
    (6, (4, 24)),
    (5, (7, 10)),
    (4, (4, 7, 9)),
    (4, (7, 12)),
    (4, (17, 20)),
    (4, (4, 6, 9)),
    (4, (1, 4, 5)),
    (4, (4, 20)),
    (4, (2,)),
    (4, (1, 7)),
    (4, (14, 17)),
    (4, (10, 12)),
)
_POSITIVE: tuple[Recipe, ...] = (
    (120, (6, 12)),
    (85, (12,)),
    (22, (14,)),
    (17, (24,)),
    (11, (12, 24)),
    (8, (6,)),
    (8, (17,)),
    (7, (4,)),
    (6, (6, 12, 24)),
    (5, (10, 12)),
    (4, (1, 2)),
    (4, (7,)),
    (4, (10,)),
)
_SURPRISE: tuple[Recipe, ...] = (
    (245, (1, 2, 5)),
    (142, (1, 2)),
    (67, (5,)),
    (26, (4,)),
    (25, (2,)),
    (22, (1,)),
    (13, (7,)),
    (9, (24,)),
    (8, (2, 5)),
    (5, (17,)),
    (5, (4, 7)),
    (4, (1, 5)),
    (4, (25,)),
    (4, (14,)),
)

CODED: dict[str, tuple[Recipe, ...]] = dict(zip(CLASSES, (_NEGATIVE, _POSITIVE, _SURPRISE), strict=True))
"""Class name → (times coded, action units)."""

ONE_SIDED: dict[int, float] = {
    1: 0.19,
    2: 0.29,
    4: 0.06,
    5: 0.12,
    6: 0.06,
    7: 0.09,
    10: 0.35,
    12: 0.43,
    14: 0.07,
    15: 0.22,
    20: 0.28,
}
"""Action unit → share of its codings on only one side of the face."""
