"""Renders clips of a portrait whose face moves by a script: test videos with exact ground truth.

Portrait → action units of the script, lids, head → light and noise → video, and next to it one JSON line for
every movement in it. The motion is that of `synthesis.motion_model`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.console.progress import followed, progress_bar
from recognizer.landmarks import Landmarks
from training.rendering.clip_file import write_clip
from training.rendering.eyelids import close_eyes, find_eyelids, lid_drag
from training.rendering.head_depth import depth_of
from training.rendering.portrait import Image, Portrait, load_portrait
from training.rendering.script import Action, ClipScript, demo_script
from training.synthesis.motion_model import Field, displacement, face_width

STEEPEST = 0.9
"""Greatest change of an action's displacement from pixel to pixel; at 1, skin could fold."""


def render(portrait: Portrait, script: ClipScript) -> Iterator[tuple[float, Image]]:
    """Yields (seconds, BGR uint8 image) for each frame of the script; equal arguments give equal frames.

    Raises ValueError if portrait and script differ in size, or if skin would fold under an action.
    """
    height, width = portrait.image.shape[:2]
    if script.size != (width, height):
        raise ValueError(
            f"the portrait is {width}×{height}, the script says {script.size[0]}×{script.size[1]}"
        )
    fields = [_field(portrait, action) for action in script.actions]
    return _frames(portrait, script, fields)


def _frames(portrait: Portrait, script: ClipScript, fields: list[Field]) -> Iterator[tuple[float, Image]]:
    height, width = portrait.image.shape[:2]
    grid = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
    eyes = find_eyelids(portrait.landmarks, (height, width))
    drag = script.lid_drag * lid_drag(portrait.landmarks, (height, width)) if script.lid_drag else None
    centre = portrait.landmarks.mean(axis=0)
    depth, moved_irises = depth_of(portrait.landmarks, grid, script), irises(portrait.landmarks, grid)
    grain = _grain(script, (height, width)) if script.noise else None
    last, back = None, None
    for index in range(script.frame_count):
        time = index / script.fps
        image, pose = portrait.image, script.head_pose(time)
        if closure := script.closure(time):
            image = np.asarray(np.rint(close_eyes(image.astype(np.float32), eyes, closure)), np.uint8)
        strengths = [np.float32(action.strength(time)) for action in script.actions]
        gaze = script.gaze(time)
        state = strengths, pose.yaw, pose.pitch, gaze, closure if drag is not None else 0.0
        if state != last:  # eyes at rest need the same field for many frames
            moving = [s * field for s, field in zip(strengths, fields, strict=True) if s]
            if pose.yaw or pose.pitch:
                moving.append(depth * np.array((pose.yaw, pose.pitch), np.float32))
            if script.glances:
                moving.append(moved_irises * np.array(gaze, np.float32))
            if drag is not None and closure:
                moving.append(closure * drag)
            back = inverse(sum(moving[1:], moving[0]), grid) if moving else None
            last = state
        head = pose.matrix(centre)
        yield time, _expose(_posed(image, head, back, grid), script, time, index, grain)


def _posed(
    image: Image, head: npt.NDArray[np.float64], back: Field | None, grid: npt.NDArray[np.float32]
) -> Image:
    """The image with its skin moved (``back``: where each pixel comes from) and the head in its pose."""
    border = cv2.BORDER_REFLECT_101
    if back is None:
        size = (image.shape[1], image.shape[0])
        if np.array_equal(head, np.eye(2, 3)):
            return image
        moved = cv2.warpAffine(image, head, size, flags=cv2.INTER_CUBIC, borderMode=border)
        return np.asarray(moved, np.uint8)
    where = cv2.transform(grid, cv2.invertAffineTransform(head))
    where = where + cv2.remap(back, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.remap(image, where, None, cv2.INTER_CUBIC, borderMode=border), np.uint8)


_EYE = (0.04, 0.018)
"""How far from an iris the eye moves with it, in face widths across and along: the lids stay."""


def irises(landmarks: Landmarks, grid: npt.NDArray[np.float32]) -> Field:
    """(H, W, 1) how far each of the (H, W, 2) points moves, in pixels, when the irises move by one pixel of a
    256-px face."""
    unit = face_width(landmarks)
    field = np.zeros(grid.shape[:2], np.float32)
    for eye in (slice(36, 42), slice(42, 48)):
        apart = (grid - landmarks[eye].mean(axis=0)) / (unit * np.array(_EYE, np.float32))
        field = np.maximum(field, np.exp(-(apart**2).sum(axis=2) / 2))
    return np.asarray(unit / 256 * field, np.float32)[..., None]


def inverse(field: Field, grid: npt.NDArray[np.float32]) -> Field:
    """The inverse field, inverse(q) = −field(q + inverse(q)), by fixed-point iteration.

    The error shrinks by the field's steepness each time: 2 or 3 steps for a micro-movement.
    """
    back = -field
    for _ in range(40):
        before = back
        back = -cv2.remap(field, grid + back, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if np.abs(back - before).max() < 0.01:
            break
    return back


_GRAIN_MIDDLE, _GRAIN_SD, _GRAIN_MARGIN = 128, 16.0, 64


def _grain(script: ClipScript, shape: tuple[int, int]) -> Image:
    """One sheet of noise, a little larger than the image; every frame uses another crop of it."""
    rng = np.random.default_rng((script.seed, 99))
    sheet = rng.standard_normal((shape[0] + _GRAIN_MARGIN, shape[1] + _GRAIN_MARGIN), np.float32)
    sheet = np.clip(np.rint(_GRAIN_MIDDLE + _GRAIN_SD * sheet), 0, 255)
    # Equal in the three channels: 4:2:0 video keeps little colour noise anyway.
    return np.asarray(cv2.cvtColor(np.asarray(sheet, np.uint8), cv2.COLOR_GRAY2BGR), np.uint8)


def _expose(image: Image, script: ClipScript, time: float, index: int, grain: Image | None) -> Image:
    """The image under the current light, with the camera's noise."""
    light = script.brightness(time)
    if grain is None:
        return image if light == 1 else np.asarray(cv2.convertScaleAbs(image, alpha=light), np.uint8)
    y, x = np.random.default_rng((script.seed, index)).integers(_GRAIN_MARGIN, size=2)
    cut = grain[y : y + image.shape[0], x : x + image.shape[1]]
    share = script.noise / _GRAIN_SD
    return np.asarray(cv2.addWeighted(image, light, cut, share, -share * _GRAIN_MIDDLE), np.uint8)


def _field(portrait: Portrait, action: Action) -> Field:
    height, width = portrait.image.shape[:2]
    field = displacement(portrait.landmarks, action.activations, (height, width))
    if (slope := steepness(field)) > STEEPEST:
        raise ValueError(f"this action pulls too hard (slope {slope:.2f}); make it weaker: {action}")
    return field


def steepness(field: Field) -> float:
    """Greatest change of a displacement from pixel to pixel; from 1 on skin folds."""
    return max(float(np.abs(np.diff(field, axis=axis)).max()) for axis in (0, 1))


def truth(portrait: Portrait, script: ClipScript) -> list[dict[str, Any]]:
    """What the clip shows, in the order of onsets: one JSON-ready record for each action, blink and glance.

    kind (micro, macro, speech, blink, gesture, gaze), label (null: to be rejected), onset, apex and offset in
    seconds, units (FACS numbers), peak_px: the greatest displacement of the skin in pixels of a 256-px face.
    """
    per_pixel = 256 / face_width(portrait.landmarks)
    records = [
        (action, float(np.linalg.norm(_field(portrait, action), axis=2).max()) * per_pixel)
        for action in script.actions
    ]
    eyes = find_eyelids(portrait.landmarks, (portrait.image.shape[0], portrait.image.shape[1]))
    opening = max((float((eye.lower - eye.upper).max()) for eye in eyes), default=0.0) * per_pixel
    records += [(action, opening) for action in script.whole_blinks]
    records += [(action, 0.0) for action in (*script.gesture_actions, *script.glance_actions)]
    return [
        {
            "kind": action.kind,
            "label": action.label,
            "onset": round(action.onset, 6),
            "apex": round(action.apex, 6),
            "offset": round(action.offset, 6),
            "units": [activation.unit for activation in action.activations],
            "peak_px": round(peak, 3),
        }
        for action, peak in sorted(records, key=lambda record: record[0].onset)
    ]


def render_clip(out: Path, portrait: Portrait, script: ClipScript, progress: bool = True) -> Path:
    """Renders a script into ``out``, with its ground truth beside it and, if requested, a progress bar on the
    terminal."""
    frames, records = render(portrait, script), truth(portrait, script)
    if not progress:
        return write_clip(out, frames, script.fps, records)
    with progress_bar(f"rendering {out.name}", script.frame_count) as bar:
        return write_clip(out, followed(frames, bar), script.fps, records)


def render_demo(out: Path, portrait: Path | None = None, seed: int = 0, progress: bool = True) -> Path:
    """The demonstration clip: `demo_script` on the built-in portrait, or on another image."""
    script = demo_script(seed)
    return render_clip(out, load_portrait(portrait, script.size), script, progress)
