"""Renders clips of a still portrait whose face moves by script: test films with an exact ground truth.

Portrait → action units of the script, lids, head → light and noise → film, and beside it one JSON line for
every movement that it shows. The motion is that of `synthesis.motion_model`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError
from recognizer.files.image import read_picture
from recognizer.landmarks import Landmarker, Landmarks
from training.rendering.eyelids import close_eyes, find_eyelids
from training.rendering.head_depth import depth_of
from training.rendering.head_motion import FACE_WIDTH
from training.rendering.script import NARROW, Action, ClipScript, demo_script
from training.synthesis.motion_model import Field, displacement, face_width

Image = npt.NDArray[np.uint8]
"""BGR uint8, height × width × 3."""

SMALLEST_FACE = 100
"""Pixels from φ1 to φ15 below which an enlarged face has too little texture to show small motion."""
STEEPEST = 0.9
"""Greatest change of an action's displacement from pixel to pixel: at 1 skin could fold."""


@dataclass(frozen=True)
class Portrait:
    """A picture with one face, and where it is."""

    image: Image
    landmarks: Landmarks


def load_portrait(path: Path | None = None, size: tuple[int, int] = (640, 480)) -> Portrait:
    """A picture of ``size`` (width, height) with the face in its middle, at least half as wide as it is high.

    Without a path it is scikit-image's ``astronaut``: Eileen Collins, photographed by NASA, public domain.
    Raises AtmeError where the file is no picture, shows no face, or one less than 100 px wide.
    """
    if path is None:
        return portrait_from(_builtin(), "the built-in portrait", size, smallest=0)  # known to enlarge well
    return portrait_from(read_picture(path), str(path), size)


def portrait_from(
    image: Image, name: str, size: tuple[int, int] = (640, 480), smallest: float = SMALLEST_FACE
) -> Portrait:
    """The same of a BGR uint8 picture; ``name`` is what errors call it."""
    landmarker = Landmarker(tracking=False)
    try:
        found = _find_face(landmarker, image, name)
        if face_width(found) < smallest:
            raise AtmeError(
                f"the face in {name} is {face_width(found):.0f} px wide; choose a picture where it is at "
                f"least {SMALLEST_FACE} px"
            )
        fitted = _fit(image, found, size)
        return Portrait(fitted, _find_face(landmarker, fitted, f"{name}, cropped to {size[0]}×{size[1]}"))
    finally:
        landmarker.close()


def _builtin() -> Image:
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[..., ::-1])


def _find_face(landmarker: Landmarker, image: Image, name: str) -> Landmarks:
    found = landmarker.detect(image)
    if found is None:
        raise AtmeError(f"no face found in {name}; choose a frontal portrait that fills most of the picture")
    return found


def _fit(image: Image, landmarks: Landmarks, size: tuple[int, int]) -> Image:
    """Crop and scale. A tight portrait is enlarged until it fills the height; only its sides are mirrored."""
    width, height = size
    scale = max(FACE_WIDTH / 480 * height / face_width(landmarks), height / image.shape[0])
    centre = (landmarks.min(axis=0) + landmarks.max(axis=0)) / 2 * scale
    if scale < 1:
        image = np.asarray(
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    enlarge = max(scale, 1.0)
    left = width / 2 - centre[0]
    top = np.clip(0.54 * height - centre[1], height - enlarge * image.shape[0], 0)  # hair needs most room
    matrix = np.array(((enlarge, 0, left), (0, enlarge, top)))
    fitted = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    if scale > 1:  # softens the old pixels' edges
        fitted = cv2.GaussianBlur(fitted, None, 0.4 * scale)
    return np.asarray(fitted, np.uint8)


def render(portrait: Portrait, script: ClipScript) -> Iterator[tuple[float, Image]]:
    """Yield (seconds, BGR uint8 picture) for each frame of the script; equal arguments give equal frames.

    Raises ValueError if the portrait has another size than the script, or skin would fold under an action.
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
    centre = portrait.landmarks.mean(axis=0)
    depth, irises = depth_of(portrait.landmarks, grid, script), _irises(portrait.landmarks, grid)
    grain = _grain(script, (height, width)) if script.noise else None
    last, back = None, None
    for index in range(script.frame_count):
        time = index / script.fps
        image, pose = portrait.image, script.head_pose(time)
        if closure := script.closure(time):
            image = np.asarray(np.rint(close_eyes(image.astype(np.float32), eyes, closure)), np.uint8)
        strengths = [np.float32(action.strength(time)) for action in script.actions]
        gaze = script.gaze(time)
        state = strengths, pose.yaw, pose.pitch, gaze
        if state != last:  # eyes that rest elsewhere need the same field for many frames
            moving = [s * field for s, field in zip(strengths, fields, strict=True) if s]
            if pose.yaw or pose.pitch:
                moving.append(depth * np.array((pose.yaw, pose.pitch), np.float32))
            if script.glances:
                moving.append(irises * np.array(gaze, np.float32))
            back = inverse(sum(moving[1:], moving[0]), grid) if moving else None
            last = state
        head = pose.matrix(centre)
        yield time, _expose(_posed(image, head, back, grid), script, time, index, grain)


def _posed(
    image: Image, head: npt.NDArray[np.float64], back: Field | None, grid: npt.NDArray[np.float32]
) -> Image:
    """The picture with its skin moved (``back``: where each pixel comes from) and its head in its pose."""
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
"""How far the irises carry along what is in the eye, face widths across and along: the lids stay."""


def _irises(landmarks: Landmarks, grid: npt.NDArray[np.float32]) -> Field:
    """(H, W, 1) how far each pixel moves, in pixels, where the irises move by one pixel of a 256-px face."""
    unit = face_width(landmarks)
    field = np.zeros(grid.shape[:2], np.float32)
    for eye in (slice(36, 42), slice(42, 48)):
        apart = (grid - landmarks[eye].mean(axis=0)) / (unit * np.array(_EYE, np.float32))
        field = np.maximum(field, np.exp(-(apart**2).sum(axis=2) / 2))
    return np.asarray(unit / 256 * field, np.float32)[..., None]


def inverse(field: Field, grid: npt.NDArray[np.float32]) -> Field:
    """The field that leads back: inverse(q) = −field(q + inverse(q)), by repeated insertion.

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
    """One sheet of noise, a little larger than the picture; every frame takes another cut of it."""
    rng = np.random.default_rng((script.seed, 99))
    sheet = rng.standard_normal((shape[0] + _GRAIN_MARGIN, shape[1] + _GRAIN_MARGIN), np.float32)
    sheet = np.clip(np.rint(_GRAIN_MIDDLE + _GRAIN_SD * sheet), 0, 255)
    # Equal in the three channels: 4:2:0 film keeps little of colour noise anyway.
    return np.asarray(cv2.cvtColor(np.asarray(sheet, np.uint8), cv2.COLOR_GRAY2BGR), np.uint8)


def _expose(image: Image, script: ClipScript, time: float, index: int, grain: Image | None) -> Image:
    """The picture in the light of the moment, with the camera's noise."""
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

    kind (micro, macro, speech, blink, gesture, gaze), label (null: to be turned away), onset, apex and offset
    in seconds, units (FACS numbers), peak_px: the skin's greatest displacement in pixels of a 256-px face.
    """
    per_pixel = 256 / face_width(portrait.landmarks)
    records = [
        (action, float(np.linalg.norm(_field(portrait, action), axis=2).max()) * per_pixel)
        for action in script.actions
    ]
    eyes = find_eyelids(portrait.landmarks, (portrait.image.shape[0], portrait.image.shape[1]))
    opening = max((float((eye.lower - eye.upper).max()) for eye in eyes), default=0.0) * per_pixel
    records += [
        (action, opening)
        for blink, action in zip(script.blinks, script.blink_actions, strict=True)
        if blink.depth > NARROW
    ]
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


def truth_path(clip: Path) -> Path:
    """``clip.mp4`` → ``clip.truth.jsonl``, beside it."""
    return clip.with_suffix(".truth.jsonl")


def write_clip(
    path: Path,
    frames: Iterable[tuple[float, Image]],
    fps: float,
    records: Sequence[dict[str, Any]] = (),
    crf: int | None = 12,
) -> Path:
    """Write the video (H.264 4:2:0; at ``crf`` 0 lossless; Motion JPEG where it is None) and its truth.

    Both appear only when they are complete.

    ``frames``: (seconds, BGR uint8 picture of even width and height), times increasing and kept: ``fps`` only
    tells the codec what to expect. At ``crf`` 12 sub-pixel motion survives, and some of the noise.
    Raises AtmeError where the file cannot be written.
    """
    if path.suffix.lower() not in (".mp4", ".mkv", ".mov"):
        raise AtmeError(f"cannot write a clip to {path}: give it a name that ends in .mp4, .mkv or .mov")
    with _complete(path) as film, _complete(truth_path(path)) as notes:
        _encode(film, frames, fps, crf)
        notes.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@contextmanager
def _complete(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder, which becomes ``path`` if all goes well and disappears if not."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise AtmeError(
            f"cannot write {path}: {error.strerror}; check the folder, its permissions and the free space"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()


_JPEG = ("mjpeg", "yuvj420p", {"qmin": "4", "qmax": "4"})
"""About the quality that webcams send."""


def _encode(path: Path, frames: Iterable[tuple[float, Image]], fps: float, crf: int | None) -> None:
    import av

    from recognizer.files.ffmpeg import create_video

    ticks = 90_000  # a second; divides evenly by the usual frame rates
    with create_video(path) as container:
        codec, pixels, options = _JPEG
        if crf == 0:
            codec, pixels, options = "libx264rgb", "bgr24", {"qp": "0", "preset": "ultrafast"}
        elif crf is not None:
            codec, pixels, options = "libx264", "yuv420p", {"crf": str(crf), "preset": "veryfast"}
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=options)
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, ticks)
        for time, image in frames:
            if not stream.codec_context.is_open:
                stream.height, stream.width = image.shape[:2]
            picture = av.VideoFrame.from_ndarray(image, format="bgr24")
            picture.pts, picture.time_base = round(time * ticks), Fraction(1, ticks)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def render_clip(out: Path, portrait: Portrait, script: ClipScript, progress: bool = True) -> Path:
    """Render a script into ``out`` and its truth beside it, with a progress bar on the terminal if wanted."""
    from rich.console import Console
    from rich.progress import track

    frames = track(
        render(portrait, script),
        description=f"Rendering {out.name}",
        total=script.frame_count,
        console=Console(stderr=True),
        disable=not progress,
    )
    return write_clip(out, frames, script.fps, truth(portrait, script))


def render_demo(out: Path, portrait: Path | None = None, seed: int = 0, progress: bool = True) -> Path:
    """The demonstration clip: `demo_script` on the built-in portrait, or on a picture of one's own."""
    script = demo_script(seed)
    return render_clip(out, load_portrait(portrait, script.size), script, progress)
