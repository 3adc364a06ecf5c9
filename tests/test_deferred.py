"""Images that are decoded only if somebody looks at them."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from recognizer.errors import AtmeError
from stream.frame import Deferred, Frame
from stream.observer import Observer
from stream.pipeline.ring import RingBuffer
from stream.session import Session
from stream.sources import camera as camera_module
from stream.sources.base import FrameSource
from stream.sources.camera import Camera, CameraConfig
from stream.sources.jpeg import decoded, deferred, jpeg_size

HEIGHT, WIDTH = 48, 64


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def jpeg(image: np.ndarray, *options: int) -> np.ndarray:
    return cv2.imencode(".jpg", image, options)[1].ravel()


@pytest.mark.parametrize(
    "options",
    [
        (),
        (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        (cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        (cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    ],
)
def test_a_jpeg_states_its_size(options):
    data = jpeg(picture(0), *options)
    assert jpeg_size(data) == (HEIGHT, WIDTH)
    found = deferred(data, "camera 0")
    assert found.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(found.image, cv2.imdecode(data, cv2.IMREAD_COLOR))
    assert found.image is found.image
    assert not found.image.flags.writeable


def test_bytes_that_are_no_jpeg_have_no_size():
    data = jpeg(picture(0))
    begins = next(k for k in range(len(data)) if data[k] == 0xFF and data[k + 1] == 0xC0)
    for end in range(begins + 9):
        assert jpeg_size(data[:end]) is None
    for seed in range(200):
        noise = np.random.default_rng(seed).integers(0, 256, 400, np.uint8)
        assert jpeg_size(noise) is None or noise[0] == 0xFF
        noise[:2] = 0xFF, 0xD8
        noise[2::3] = 0xFF
        jpeg_size(noise)  # whatever it says, it ends
    assert deferred(picture(0).ravel(), "camera 0") is None


def test_an_image_that_cannot_be_decoded_names_its_camera():
    broken = deferred(jpeg(picture(0))[:200], "camera 0")
    assert broken is not None
    with pytest.raises(AtmeError, match=r"^camera 0: ") as caught:
        _ = broken.image
    assert caught.value.code == "unreadable"


class Driver:
    """OpenCV's capture of a camera that sends JPEG; ``raw``: what it does where it is asked for the bytes."""

    def __init__(self, raw: str = "hands over", fourcc: str = "MJPG") -> None:
        self.raw, self.fourcc, self.converts, self.number = raw, fourcc, True, 0

    def isOpened(self) -> bool:
        return True

    def set(self, what: int, value: float) -> bool:
        if what == cv2.CAP_PROP_CONVERT_RGB:
            if not value and self.raw == "refuses":
                return False
            self.converts = bool(value) or self.raw == "ignores"
        return True

    def get(self, what: int) -> float:
        return {cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*self.fourcc), cv2.CAP_PROP_FPS: 200.0}.get(
            what, 0.0
        )

    def grab(self) -> bool:
        self.number += 1
        return True

    def retrieve(self):
        data = jpeg(picture(self.number))
        if self.converts:
            return True, cv2.imdecode(data, cv2.IMREAD_COLOR)
        return True, picture(0).ravel()[None] if self.raw == "garbles" else data[None]

    def read(self):
        return self.grab() and self.retrieve()

    def release(self) -> None:
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="Video4Linux")
@pytest.mark.parametrize("raw", ["hands over", "refuses", "ignores", "garbles", "sends YUYV"])
def test_a_cameras_images_are_the_same_decoded_by_the_driver_or_later(raw, monkeypatch):
    driver = Driver(raw, "YUYV" if raw == "sends YUYV" else "MJPG")
    monkeypatch.setattr(camera_module, "_check_device", lambda number: None)
    monkeypatch.setattr(camera_module.cv2, "VideoCapture", lambda *_: driver)
    with Camera(CameraConfig(width=WIDTH, height=HEIGHT, fps=200)) as source:
        assert source.size == (WIDTH, HEIGHT)
        for _ in range(3):
            frame = source.read()
            expected = cv2.imdecode(jpeg(picture(driver.number)), cv2.IMREAD_COLOR)
            assert isinstance(frame.picture, Deferred) == (raw == "hands over")
            np.testing.assert_array_equal(frame.image, expected)


def test_the_ring_takes_a_deferred_image_without_decoding_it():
    ring = RingBuffer((WIDTH, HEIGHT), history_s=0.05, backlog_s=1.0, lossless=False)
    looked = []
    for k in range(30):
        made = Deferred((HEIGHT, WIDTH, 3), lambda k=k: looked.append(k) or picture(k))
        assert ring.push(Frame(k, k / 100, made))
    for k in range(20):
        assert ring.next(timeout=0).index == k
    assert looked == []
    np.testing.assert_array_equal(ring.get(19).image, picture(19))
    assert looked == [19]
    with pytest.raises(KeyError):
        ring.get(2)


class Fast(FrameSource):
    """A recording of 200 frames a second of somebody who moves a little; ``later``: images are deferred."""

    def __init__(self, image: np.ndarray, later: bool) -> None:
        super().__init__(name="fast", live=False, size=image.shape[1::-1], nominal_fps=200.0)
        self._image, self._later, self._number = image, later, 0
        self.looked: list[int] = []

    def read_next(self):
        k = self._number
        self._number += 1
        if k == 120:
            return None
        shift = np.array([[1, 0, np.sin(k / 20)], [0, 1, 0]])
        data = jpeg(cv2.warpAffine(self._image, shift, self.size, borderMode=cv2.BORDER_REPLICATE))
        make = lambda: self.looked.append(k) or decoded(data, "fast")  # noqa: E731
        return k / 200, Deferred(self._image.shape, make) if self._later else make()

    def release(self) -> None:
        pass


class Samples(Observer):
    def __init__(self) -> None:
        self.samples: list[object] = []

    def frame(self, frame, sample, threshold) -> None:
        self.samples.append(sample)


def test_frames_that_are_not_sampled_are_never_decoded_and_nothing_else_changes(portrait):
    seen = {}
    for later in (False, True):
        source, samples = Fast(portrait.image, later), Samples()
        with Session(source) as session:
            session.observer = samples
            list(session)
        seen[later] = samples.samples
        assert len(samples.samples) == session.status().frames == 120
        assert len(session.status().curve) == 60, "the curve is drawn of what was measured"
        assert len(source.looked) == (60 if later else 120)
    assert seen[True] == seen[False]
