"""One image that shows the network's input: face, puzzle and flow channels of both branches."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.feature import PairFeatures, puzzle_strain
from recognizer.flow.engine import Field, strain
from recognizer.recognition import Recognition

_TILE = 192
_GAP = 10
_HEAD = 26
_BACKGROUND = 28
_FONT = cv2.FONT_HERSHEY_SIMPLEX

Picture = npt.NDArray[np.uint8]


def explain(features: PairFeatures, recognition: Recognition) -> Picture:
    """(H, W, 3) BGR image: one row per branch (onset, apex, u, v, strain), label and probabilities below."""
    rows = [
        _row("face", features.faces, features.entire_flow, strain(features.entire_flow)),
        _row("puzzle", features.puzzles, features.puzzled_flow, puzzle_strain(features.puzzled_flow)),
    ]
    body = np.vstack(rows)
    return np.vstack([body, _footer(recognition, body.shape[1])])


def _row(
    name: str, pictures: tuple[Picture, Picture], flow: Field, tension: npt.NDArray[np.float32]
) -> Picture:
    reach = float(np.abs(flow).max())
    tiles = [
        (f"{name}, onset", cv2.cvtColor(pictures[0], cv2.COLOR_GRAY2BGR)),
        (f"{name}, apex", cv2.cvtColor(pictures[1], cv2.COLOR_GRAY2BGR)),
        (f"u: right, +/-{reach:.2f} px", _signed(flow[..., 0], reach)),
        (f"v: down, +/-{reach:.2f} px", _signed(flow[..., 1], reach)),
        (f"strain, 0-{float(tension.max()):.2f}", _heat(tension)),
    ]
    return np.hstack([_tile(title, picture) for title, picture in tiles])


def _tile(title: str, picture: Picture) -> Picture:
    canvas = np.full((_TILE + _HEAD + _GAP, _TILE + _GAP, 3), _BACKGROUND, np.uint8)
    canvas[_HEAD : _HEAD + _TILE, _GAP // 2 : _GAP // 2 + _TILE] = cv2.resize(
        picture, (_TILE, _TILE), interpolation=cv2.INTER_CUBIC
    )
    cv2.putText(canvas, title, (_GAP // 2, _HEAD - 8), _FONT, 0.42, (220, 220, 220), 1, cv2.LINE_AA)
    return canvas


def _signed(channel: npt.NDArray[np.float32], reach: float) -> Picture:
    """Blue for negative, orange for positive, grey for none: distinguishable with any colour vision."""
    share = np.clip(channel / max(reach, 1e-6), -1, 1)[..., None]
    grey, orange, blue = (
        np.array(colour, np.float32) for colour in ((70, 70, 70), (0, 159, 230), (215, 120, 20))
    )
    mixed = np.where(share > 0, grey + share * (orange - grey), grey - share * (blue - grey))
    return np.asarray(mixed, np.uint8)


def _heat(channel: npt.NDArray[np.float32]) -> Picture:
    scaled = np.asarray(255 * channel / max(float(channel.max()), 1e-9), np.uint8)
    return np.asarray(cv2.applyColorMap(scaled, cv2.COLORMAP_CIVIDIS), np.uint8)


def _footer(recognition: Recognition, width: int) -> Picture:
    canvas = np.full((64, width, 3), _BACKGROUND, np.uint8)
    text = f"{recognition.label}  ({100 * recognition.confidence:.0f} %)"
    cv2.putText(canvas, text, (_GAP, 40), _FONT, 0.9, (255, 255, 255), 2, cv2.LINE_AA)
    left = 400
    step = (width - left - _GAP) // max(len(recognition.probabilities), 1)
    for k, (name, share) in enumerate(recognition.probabilities.items()):
        x = left + k * step
        cv2.putText(canvas, f"{name} {share:.2f}", (x, 24), _FONT, 0.45, (220, 220, 220), 1, cv2.LINE_AA)
        cv2.rectangle(canvas, (x, 34), (x + step - 20, 48), (70, 70, 70), -1)
        cv2.rectangle(canvas, (x, 34), (x + round((step - 20) * share), 48), (0, 159, 230), -1)
    return canvas
