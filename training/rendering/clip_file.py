"""Writes a clip: the video, and beside it the ground truth, one JSON line for each movement."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recognizer.errors import AtmeError
from recognizer.files.write import replacing
from training.rendering.portrait import Image


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
    """Writes the video (H.264 4:2:0, lossless at ``crf`` 0; Motion JPEG where it is None) and its ground
    truth.

    Both appear only when they are complete.

    ``frames``: (seconds, BGR uint8 image of even width and height); their increasing times are kept, ``fps``
    only tells the codec what to expect. At ``crf`` 12 sub-pixel motion survives, and some of the noise.
    Raises AtmeError where the file cannot be written.
    """
    if path.suffix.lower() not in (".mp4", ".mkv", ".mov"):
        raise AtmeError(
            "invalid", f"cannot write a clip to {path}: give it a name that ends in .mp4, .mkv or .mov"
        )
    with _complete(path) as video, _complete(truth_path(path)) as notes:
        _encode(video, frames, fps, crf)
        notes.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@contextmanager
def _complete(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder, which becomes ``path`` if all goes well and disappears if not."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, f".part{path.suffix}") as part:
            yield part
    except OSError as error:
        raise AtmeError(
            "unwritable",
            f"cannot write {path}: {error.strerror}; check the folder, its permissions and the free space",
        ) from error


_JPEG = ("mjpeg", "yuvj420p", {"qmin": "4", "qmax": "4"})
"""About the quality that webcams send."""


def _encode(path: Path, frames: Iterable[tuple[float, Image]], fps: float, crf: int | None) -> None:
    from recognizer.files.ffmpeg import TimedEncoder, create_video

    with create_video(path) as container:
        codec, pixels, options = _JPEG
        if crf == 0:
            codec, pixels, options = "libx264rgb", "bgr24", {"qp": "0", "preset": "ultrafast"}
        elif crf is not None:
            codec, pixels, options = "libx264", "yuv420p", {"crf": str(crf), "preset": "veryfast"}
        encoder: TimedEncoder | None = None
        for time, image in frames:
            if encoder is None:
                size = image.shape[1], image.shape[0]
                encoder = TimedEncoder(container, codec, size, fps, pixels, options)
            encoder.write(time, image, "bgr24")
        if encoder is not None:
            encoder.finish()
