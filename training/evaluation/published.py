"""The numbers in the paper's tables (Entropy 2023, 25(3), 460), to print beside ours."""

from __future__ import annotations

ALL = "all"

Scores = tuple[float | None, float, float]
"""Acc, UAR, UF1; the ablations do not give Acc."""


def _sets(*numbers: float) -> dict[str, Scores]:
    """Twelve numbers in the order of Table 3: three of MEGC2019-CD, CASME II, SMIC-HS, SAMM."""
    names = (ALL, "casme2", "smic", "samm")
    return {name: (numbers[3 * k], numbers[3 * k + 1], numbers[3 * k + 2]) for k, name in enumerate(names)}


TABLE_3 = {
    "lbp-top": _sets(0.643, 0.575, 0.586, 0.786, 0.716, 0.723, 0.555, 0.535, 0.544, 0.594, 0.434, 0.436),
    "bi-woof": _sets(0.661, 0.593, 0.604, 0.773, 0.698, 0.713, 0.592, 0.574, 0.580, 0.624, 0.439, 0.443),
    "resnet18": _sets(0.643, 0.575, 0.586, 0.786, 0.716, 0.723, 0.555, 0.535, 0.544, 0.594, 0.434, 0.436),
    "ststnet": _sets(0.688, 0.610, 0.624, 0.821, 0.745, 0.769, 0.543, 0.529, 0.532, 0.712, 0.505, 0.531),
    "dual-inception": _sets(
        0.680, 0.631, 0.629, 0.814, 0.754, 0.774, 0.575, 0.571, 0.571, 0.649, 0.493, 0.496
    ),
    "rcn-a": _sets(0.681, 0.635, 0.634, 0.834, 0.804, 0.806, 0.567, 0.558, 0.556, 0.654, 0.500, 0.502),
    "rcn-w": _sets(0.661, 0.590, 0.600, 0.758, 0.681, 0.706, 0.567, 0.552, 0.554, 0.669, 0.479, 0.489),
    "rcn-c": _sets(0.681, 0.598, 0.616, 0.779, 0.708, 0.737, 0.573, 0.553, 0.558, 0.706, 0.479, 0.503),
    "rcn-f": _sets(0.667, 0.595, 0.607, 0.772, 0.698, 0.727, 0.561, 0.545, 0.547, 0.684, 0.487, 0.499),
    "kfc-mer": _sets(0.313, 0.235, 0.255, 0.276, 0.220, 0.229, 0.345, 0.251, 0.283, 0.316, 0.246, 0.240),
    "mmnet": _sets(0.601, 0.514, 0.528, 0.766, 0.699, 0.719, 0.457, 0.438, 0.441, 0.594, 0.342, 0.326),
    "dual-atme": _sets(0.720, 0.680, 0.679, 0.817, 0.751, 0.765, 0.646, 0.658, 0.646, 0.714, 0.538, 0.562),
}
"""By method. As printed: the rows of LBP-TOP and ResNet18 are equal. OFF-ApexNet is not in the table."""

TABLE_1: dict[str, Scores] = {
    "hars-only": (None, 0.645, 0.648),
    "aars-only": (None, 0.633, 0.632),
    "attention-on-both": (None, 0.662, 0.662),
    "dual-atme": (None, 0.680, 0.679),
}
"""Modules, MEGC2019-CD; which row is which follows from the text, for the printed check marks are lost."""

TABLE_4: dict[str, Scores] = {
    "brows-nose": (None, 0.630, 0.631),
    "brows-mouth": (None, 0.680, 0.679),
    "cheeks-nose": (None, 0.624, 0.631),
    "cheeks-mouth": (None, 0.622, 0.629),
    "full-face": (None, 0.663, 0.670),
}
"""Regions of the puzzle, MEGC2019-CD."""

TABLE_5: dict[str, Scores] = {
    "0": (None, 0.647, 0.646),
    "0.0001": (None, 0.668, 0.666),
    "0.001": (None, 0.668, 0.668),
    "0.01": (None, 0.680, 0.679),
    "0.1": (None, 0.649, 0.651),
}
"""λ of the contrast loss, MEGC2019-CD."""

TABLE_6: dict[str, Scores] = {
    "ce-sgd": (None, 0.644, 0.642),
    "ce-adam": (None, 0.673, 0.671),
    "weighted-ce-adam": (None, 0.668, 0.666),
    "focal-adam": (None, 0.680, 0.679),
}
"""Loss and optimizer, MEGC2019-CD."""
