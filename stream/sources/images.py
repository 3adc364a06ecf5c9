"""A folder of numbered images, as datasets store their clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recognizer.errors import AtmeError
from recognizer.files.ffmpeg import reason
from recognizer.files.image import read_image
from stream.frame import Image
from stream.sources.base import IMAGE_FPS, FrameSource
from stream.sources.picture_numbers import number_pictures

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


class ImageFolder(FrameSource):
    """Images of one folder by the numbers in their names (img2 before img10), at ``place / fps`` seconds.

    A gap in the numbering is a gap in time.
    """

    def __init__(self, folder: Path, fps: float = IMAGE_FPS, *, assumed: bool = True) -> None:
        """``assumed``: the rate is a default, not given for these images.

        Raises AtmeError for a folder without images, an unreadable first image, or fps ≤ 0.
        """
        if fps <= 0:
            raise AtmeError(
                "invalid", f"{folder}: a rate of {fps:g} fps is impossible; give a number above 0"
            )
        try:
            paths = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != "."]
        except OSError as error:
            raise AtmeError(
                "unreadable", f"{folder}: cannot be read ({reason(error)}); check its permissions"
            ) from error
        if not paths:
            raise AtmeError(
                "not-found", f"{folder}: no images in this folder; expected {', '.join(sorted(SUFFIXES))}"
            )
        numbered = number_pictures(paths)
        self._pictures = numbered.pictures
        self._next = 0
        height, width = _load(self._pictures[0][1]).shape[:2]
        super().__init__(
            name=f"{folder.resolve().name}/",
            live=False,
            size=(width, height),
            nominal_fps=fps,
            duration=(self._pictures[-1][0] + 1) / fps,
        )
        self.clock = f"the rate given, {fps:g} fps"
        self.clock_assumed = assumed
        if assumed:
            self.clock = (
                f"an assumed {fps:g} fps, because images have no clock; give the true rate with --fps"
            )
        if numbered.remark:
            self._warn(numbered.remark)

    def read_next(self) -> tuple[float | None, Image] | None:
        if self._next == len(self._pictures):
            return None
        place, path = self._pictures[self._next]
        self._next += 1
        image = _load(path)
        height, width = image.shape[:2]
        if (width, height) != self.size:
            raise AtmeError(
                "unsupported",
                f"{path}: is {width}x{height}, but the images before it are {self.size[0]}x{self.size[1]}; "
                "one folder must hold one size",
            )
        assert self.nominal_fps is not None
        return place / self.nominal_fps, image

    def release(self) -> None:
        """Nothing stays open between images."""


def _load(path: Path) -> Image:
    return np.ascontiguousarray(read_image(path, "replace it or take it out of the folder"), np.uint8)
