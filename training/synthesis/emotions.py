"""Which action units make up an emotion, and how often.

The combinations are those by which the datasets were coded; the frequencies are rounded from their published
counts:

- CASME II (Yan et al. 2014, DOI 10.1371/journal.pone.0086041, its table of labelling criteria): happiness is
  AU6 or AU12; disgust AU9, AU10 or AU4+7; surprise AU1+2, AU25 or AU2; repression AU14, AU15 or AU17 alone
  or together. Disgust, then repression, make up nearly all of its negative clips; most contain AU4, mostly
  with AU7.
- SAMM's objective classes (Davison, Merghani & Yap 2018, DOI 10.3390/jimaging4100119): happiness AU6, 12,
  6+12, 6+7+12, 7+12; surprise AU1+2, 5, 25, 1+2+25, 25+26, 5+24; anger AU23, 4, 4+7, 4+5, 4+5+7, 17+24,
  4+6+7; disgust AU10, 9, 4+9, 4+7+9, 4+9+17, 4+7+10, 7+10; sadness AU1, 15, 1+4, 6+15, 15+17; fear AU1+2+4,
  20; contempt AU14. Anger is its most frequent class, contempt the second.

MEGC2019 folds these into negative (repression, anger, contempt, disgust, fear, sadness), positive (happiness)
and surprise.
"""

from __future__ import annotations

from recognizer.recognition import CLASSES

Recipe = tuple[float, tuple[int, ...]]
"""Relative frequency, action units that act together."""

NEGATIVE: tuple[Recipe, ...] = (
    (10, (4,)),
    (20, (4, 7)),
    (5, (4, 9)),
    (5, (4, 7, 9)),
    (3, (9,)),
    (5, (7,)),
    (5, (10,)),
    (2, (4, 10)),
    (3, (4, 7, 10)),
    (2, (7, 10)),
    (2, (9, 10)),
    (2, (4, 5)),
    (3, (4, 6, 7)),
    # disgust narrows the eyes, which raises the cheeks
    (3, (6, 10)),
    (2, (6, 7, 9)),
    (2, (4, 17)),
    (9, (14,)),
    (5, (15,)),
    (7, (17,)),
    (4, (15, 17)),
    (3, (14, 17)),
    (2, (17, 24)),
    (2, (23,)),
    (2, (24,)),
    (2, (20,)),
    (2, (1, 4)),
    (2, (1, 2, 4)),
)
POSITIVE: tuple[Recipe, ...] = (
    (40, (12,)),
    (25, (6, 12)),
    (8, (6,)),
    (8, (6, 7, 12)),
    (5, (7, 12)),
    (4, (12, 25)),
    (2, (6, 12, 25)),
    # smiles that are held back
    (2, (12, 14)),
    (2, (12, 15)),
    (2, (12, 17)),
    (2, (12, 24)),
)
SURPRISE: tuple[Recipe, ...] = (
    (42, (1, 2)),
    (18, (2,)),
    (8, (1,)),
    (12, (1, 2, 5)),
    (4, (5,)),
    (6, (1, 2, 25)),
    (3, (1, 2, 25, 26)),
    (3, (1, 2, 26)),
    (2, (25,)),
    (2, (25, 26)),
)

RECIPES: dict[str, tuple[Recipe, ...]] = dict(zip(CLASSES, (NEGATIVE, POSITIVE, SURPRISE), strict=True))
"""Class name → its action-unit combinations."""

SPEECH: tuple[Recipe, ...] = (
    (3, (25,)),
    (3, (25, 26)),
    (2, (24,)),
    (1, (20, 25)),
    (1, (23, 25)),
    (1, (17, 24)),
    (1, (23, 26)),
)
"""Mouth movements while talking: no emotion."""
