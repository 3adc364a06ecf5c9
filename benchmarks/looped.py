"""A rendered face that plays forwards and backwards without a jump, for as long as a measurement needs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from rich.progress import track

from stream.frame import Deferred, Image
from stream.sources.base import FrameSource
from stream.sources.jpeg import deferred

FPS = 200
"""Rendered frames a second; a slower source skips some."""
SECONDS = 4.0
FRAMES = Path(".demo/looped.npz")

_ROOM = 256 * 2**20
"""Bytes of decoded images to keep: fewer large ones fit, and the face reverses sooner."""

Jpeg = bytes


def load_frames(count: int | None = None) -> list[Jpeg]:
    """``SECONDS`` of 640×480 as a webcam sends them (JPEG), with two micro-expressions; rendered once.

    ``count``: only the first ones, as reading all takes a third of a second.
    """
    if not FRAMES.is_file():
        FRAMES.parent.mkdir(exist_ok=True)
        np.savez(FRAMES, *(np.frombuffer(frame, np.uint8) for frame in _render()))
    with np.load(FRAMES, allow_pickle=False) as kept:
        return [kept[name].tobytes() for name in kept.files[:count]]


def _render() -> list[Jpeg]:
    from training.rendering.clip import render
    from training.rendering.portrait import load_portrait
    from training.rendering.script import Action, ClipScript
    from training.synthesis.motion_model import Activation

    def action(label: str, unit: int, onset: float) -> Action:
        strength = 2.0 / 256
        return Action(
            label, (Activation(unit, strength, strength),), onset, onset + 0.13, onset + 0.3, hold=0.02
        )

    script = ClipScript(
        SECONDS,
        FPS,
        actions=(action("positive", 12, 1.2), action("negative", 4, 2.6)),
        head_motion=1.5,
        noise=1.7,
        light=0.01,
        seed=1,
    )
    pictures = (picture for _, picture in render(load_portrait(), script))
    return [
        cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
        for picture in track(pictures, "rendering", total=script.frame_count, transient=True)
    ]


class Looped(FrameSource):
    """The frames, decoded one by one. ``live``: at ``fps`` in real time, and as a camera hands them over;
    otherwise as fast as they are read."""

    def __init__(
        self,
        frames: list[Jpeg],
        fps: float,
        seconds: float,
        *,
        live: bool,
        size: tuple[int, int] | Literal["as rendered"] = "as rendered",
    ) -> None:
        """``size``: width and height to which the images are cropped and scaled; they are then kept
        decoded."""
        self._ready: list[Image] | None = None
        if size != "as rendered":
            count = max(_ROOM // (3 * size[0] * size[1]), 8)
            self._ready = [resized(decode(frame), size) for frame in frames[:: round(FPS / fps)][:count]]
        height, width = (self._ready[0] if self._ready else decode(frames[0])).shape[:2]
        super().__init__(name="looped face", live=live, size=(width, height), nominal_fps=fps)
        self._jpegs = frames
        self._number = 0
        self._total = round(seconds * fps)
        self._rate = fps
        self._began = 0.0

    def read_next(self) -> tuple[float | None, Image | Deferred] | None:
        if self._number == self._total:
            return None
        due = self._number / self._rate
        self._number += 1
        if self.live:
            self._began = self._began or time.monotonic()
            while (left := self._began + due - time.monotonic()) > 0:
                time.sleep(left)
            due += self._began  # what a camera would stamp, however late this thread wakes
        return due, self._picture(self._number)

    def _picture(self, number: int) -> Image | Deferred:
        frames = self._ready or self._jpegs
        step = number if self._ready else round(number * FPS / self._rate)
        place = step % (2 * len(frames) - 2)
        place = min(place, 2 * len(frames) - 2 - place)
        if self._ready:
            return self._ready[place]
        jpeg = self._jpegs[place]
        return (self.live and deferred(np.frombuffer(jpeg, np.uint8), self.name)) or decode(jpeg)

    def release(self) -> None:
        self._number = self._total


def decode(frame: Jpeg) -> Image:
    return np.asarray(cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def resized(picture: Image, size: tuple[int, int]) -> Image:
    """Cropped to the aspect of ``size`` around the middle, then scaled to it."""
    height, width = picture.shape[:2]
    part = min(width / size[0], height / size[1])
    wide, high = round(size[0] * part), round(size[1] * part)
    left, top = (width - wide) // 2, (height - high) // 2
    cut = picture[top : top + high, left : left + wide]
    shrinks = size[0] < wide
    return np.ascontiguousarray(
        cv2.resize(cut, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
    )
