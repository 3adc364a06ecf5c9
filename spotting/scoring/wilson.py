"""Wilson's interval of a share, which is sound for small counts: 3 of 3 do not show that all are found."""

from __future__ import annotations

import math

_Z = 1.959964
"""Quantile for 95 %."""


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval (low, high) of ``hits`` of at least one (Wilson 1927)."""
    share, spread = hits / of, _Z * _Z / of
    middle = share + spread / 2
    half = _Z * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    return max((middle - half) / (1 + spread), 0.0), min((middle + half) / (1 + spread), 1.0)
