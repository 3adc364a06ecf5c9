"""Images of a live session, from the clips that ``--save-clips`` kept around its movements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from recognizer.errors import AtmeError
from stream.frame import Frame
from stream.records.motion_file import Motion
from stream.review.video.recording import VideoReader

_NAME = re.compile(r"(\d{9,12})-(\d{9,12})\.mkv")


class ClipReader:
    """Reads stretches as ``VideoReader`` does, as far as a clip contains them."""

    seeks = True

    def __init__(self, folder: Path, motion: Motion | None) -> None:
        self._motion = motion
        self._clips: list[tuple[float, float, Path]] = []
        for path in sorted(folder.iterdir()):
            name = _NAME.fullmatch(path.name)
            if name and path.is_file() and not path.is_symlink():
                self._clips.append((int(name[1]) / 1000, int(name[2]) / 1000, path))

    def frames(self, start: float, end: float) -> Iterator[Frame]:
        """Frames of the clip that contains most of it. AtmeError where none contains any."""
        shared, path = max(
            ((min(end, last) - max(start, first), path) for first, last, path in self._clips),
            default=(0.0, Path()),
        )
        if shared <= 0:
            raise AtmeError("not-found", "no clip shows this: clips are kept around movements only")
        with closing(VideoReader(path, self._motion, {}, 1.0, from_start=False)) as reader:
            yield from reader.frames(start, end)

    def close(self) -> None:
        """Nothing stays open."""
