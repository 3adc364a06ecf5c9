"""Writes frames as an H.264 video that keeps their times and never has sound."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from recognizer.errors import AtmeError
from recognizer.files import ffmpeg
from recognizer.files.ffmpeg import reason
from recognizer.files.write import open_new
from stream.frame import Image

SUFFIXES = (".mp4", ".mov", ".mkv")


class VideoWriter:
    """``write`` frames in the order of their times; ``close`` ends the file.

    An .mp4 or .mov is written in fragments and becomes an ordinary file at ``close``: after a crash it can be
    played up to its last whole second. Images of odd size lose a row or column, which the codec cannot store.
    Images of another size are scaled to that of the first.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float | None, *, crf: int = 12) -> None:
        """``size`` is width, height. AtmeError for a name with another ending, or that cannot be written."""
        self.path = check_video_path(path)
        self._width, self._height = size[0] // 2 * 2, size[1] // 2 * 2
        self._size = size
        matroska = path.suffix.lower() == ".mkv"
        format = {"cluster_time_limit": "1000"} if matroska else {"movflags": "hybrid_fragmented"}
        try:
            # FFmpeg opens it only with the first frame, too late for an error, and would follow a link.
            open_new(path, private=True).close()
        except OSError as error:
            raise AtmeError(
                "unwritable", f"{path}: cannot be written ({reason(error)}); name another file"
            ) from error
        self._container = ffmpeg.create_video(path, {"flush_packets": "1", **format})
        # ultrafast: the pipeline needs the cores; a larger file costs less than a late frame
        options = {"crf": str(crf), "preset": "ultrafast", "bf": "0"}
        even = (self._width, self._height)
        self._encoder = ffmpeg.TimedEncoder(self._container, "libx264", even, fps or 30.0, "yuv420p", options)
        codec = self._encoder.stream.codec_context
        codec.thread_count = 1
        codec.gop_size = max(round(fps or 30.0), 1)  # a second: players seek to it

    def write(self, time: float, image: Image) -> None:
        """``time`` in seconds, ``image`` BGR uint8. OSError or FFmpegError where it cannot be written."""
        if image.shape[1::-1] != self._size:  # the source changed its size
            image = np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        # OpenCV's conversion: FFmpeg's default one darkens the image by two grey levels.
        even = cv2.cvtColor(image[: self._height, : self._width], cv2.COLOR_BGR2YUV_I420)
        self._encoder.write(time, np.asarray(even, np.uint8), "yuv420p")

    def close(self) -> None:
        """Completes the file. OSError or FFmpegError where it cannot be written."""
        try:
            if not self._encoder.empty:
                self._encoder.finish()
        finally:
            self._container.close()
            if self._encoder.empty:
                self.path.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def check_video_path(path: Path, coming: Path | None = None) -> Path:
    """The path, if a video of that name can be written and would replace nothing; AtmeError if not.

    ``coming`` is a folder that will exist by then.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise AtmeError("invalid", f"{path}: not a video's name; let it end in {', '.join(SUFFIXES)}")
    if os.path.lexists(path):  # even a link that leads nowhere: FFmpeg would follow it
        raise AtmeError("exists", f"{path}: exists, and a recording is never overwritten; name another file")
    if not path.parent.is_dir() and path.parent != coming:
        raise AtmeError("unwritable", f"{path.parent}: no such folder; make it, or name another file")
    return path
