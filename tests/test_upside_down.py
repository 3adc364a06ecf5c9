"""A face that hangs upside down, or lies on its side, is found and read like an upright one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from recognizer.landmarks import Landmarker
from stream.session import Session
from stream.settings import Settings
from training.clip import Portrait


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("tracking", [False, True])
def test_landmarks_turn_with_the_picture(portrait: Portrait, quarters: int, tracking: bool) -> None:
    finder = Landmarker(tracking=tracking)
    try:
        upright = finder.detect(portrait.image)
        finder.reset()
        picture = np.ascontiguousarray(np.rot90(portrait.image, quarters))
        for _ in range(2):
            turned = finder.detect(picture)
        assert not finder.look_around(picture)
    finally:
        finder.close()
    assert upright is not None
    assert turned is not None
    height, width = portrait.image.shape[:2]
    x, y = upright.T
    expected = {
        1: np.stack((y, width - x), axis=1),
        2: np.stack((width - x, height - y), axis=1),
        3: np.stack((height - y, x), axis=1),
    }[quarters]
    assert (
        np.linalg.norm(turned - expected, axis=1).mean() < 8
    )  # of a face 240 px wide; the other way up it is 100


def test_an_upside_down_recording_gives_the_event_of_the_upright_one(
    short_clip: Path, settings: Settings, tmp_path: Path
) -> None:
    hanging = tmp_path / "hanging.mp4"
    with av.open(str(short_clip)) as original, av.open(str(hanging), "w") as container:
        shown = original.streams.video[0]
        stream = container.add_stream("libx264", rate=60, options={"crf": "12", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = shown.width, shown.height, "yuv420p"
        for index, frame in enumerate(original.decode(shown)):
            picture = np.ascontiguousarray(frame.to_ndarray(format="bgr24")[::-1, ::-1])
            turned = av.VideoFrame.from_ndarray(picture, format="bgr24")
            turned.pts, turned.time_base = index, Fraction(1, 60)
            container.mux(stream.encode(turned))
        container.mux(stream.encode(None))
    (event,) = Session.replay(hanging, settings)
    assert event.label == "positive"
    assert event.apex == pytest.approx(1.35, abs=0.05)
