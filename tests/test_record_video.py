"""``--record`` keeps every frame at its time and no sound; ``--render`` shows what was found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from overlay_session import make_event
from sample_session import open_sample, run_sample
from user_errors import raises

from spotting.motion import NO_FACE, STILL, MotionSample
from stream.frame import Frame
from stream.records.motion_file import Motion
from stream.records.recorded_session import RecordedSession, read_session
from stream.records.records import RecordOptions, Records
from stream.records.video.record import VideoRecorder
from stream.records.video.render import STRIP, render_video
from stream.records.video.writer import VideoWriter

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = MotionSample(0, 0.0, False, NO_FACE, 0.0, "", 0.0, 0.0, 0.0, False, 0.0, 0.0, STILL)
# Times of a camera: uneven, with a gap where frames were dropped.
TIMES = [0.0, 0.0171, 0.0334, 0.0492, 0.2501, 0.2667, 0.2835]


def picture(level: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.full((size[1], size[0], 3), (level, 255 - level, 128), np.uint8)


def decoded(path: Path) -> tuple[list[float], list[np.ndarray]]:
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"], "no sound, ever"
        frames = list(container.decode(video=0))
    return [frame.time for frame in frames], [frame.to_ndarray(format="bgr24") for frame in frames]


def record(recorder: VideoRecorder, times: list[float]) -> None:
    for index, time in enumerate(times):
        recorder.frame(Frame(index, time, picture(20 * index)), SAMPLE, 0.3)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_frames_keep_their_times_and_colours(tmp_path, suffix):
    recorder = VideoRecorder(tmp_path / f"film{suffix}")
    recorder.begin((64, 48), 60.0, live=False)
    record(recorder, TIMES)
    recorder.close()
    times, pictures = decoded(recorder.path)
    assert times == pytest.approx(TIMES, abs=0.0006)
    for index, image in enumerate(pictures):
        assert image.mean(axis=(0, 1)) == pytest.approx((20 * index, 255 - 20 * index, 128), abs=4)
    assert recorder.summary() == {"file": f"film{suffix}", "frames": 7, "frames_dropped": 0}


def test_pictures_of_odd_size_lose_a_row(tmp_path):
    with VideoWriter(tmp_path / "film.mp4", (65, 49), None) as video:
        video.write(0.0, picture(10, (65, 49)))
    _, (image,) = decoded(tmp_path / "film.mp4")
    assert image.shape == (48, 64, 3)


def test_a_live_recording_drops_rather_than_waits(tmp_path):
    recorder = VideoRecorder(tmp_path / "film.mp4")
    recorder.begin((1280, 960), 60.0, live=True)
    image = np.random.default_rng(0).integers(0, 255, (960, 1280, 3), np.uint8)
    count = 110  # copying is much faster than encoding noise, and 72 frames may wait
    for index in range(count):
        recorder.frame(Frame(index, index / 60, image), SAMPLE, 0.3)
    recorder.close()
    assert recorder.dropped > 0
    assert recorder.written + recorder.dropped == count
    assert len(decoded(recorder.path)[0]) == recorder.written


KILLED = """
import os, sys
sys.path[:0] = ["tests", "."]
from pathlib import Path
from test_record_video import picture
from stream.records.video.writer import VideoWriter
video = VideoWriter(Path(sys.argv[1]), (64, 48), 60.0)
for index in range(300):
    video.write(index / 60, picture(index % 255))
os._exit(1)
"""


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_was_recorded_before_a_crash_can_be_played(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, check=False).returncode == 1
    times, _ = decoded(path)
    assert len(times) >= 240, "at most a second of the five is lost"


FULL = """
import resource, sys
sys.path[:0] = ["tests", "."]
from pathlib import Path
import numpy as np
from stream.frame import Frame
from stream.records.video.record import VideoRecorder
from test_record_video import SAMPLE
recorder = VideoRecorder(Path(sys.argv[1]))
recorder.begin((320, 240), 30.0, live=False)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
rng = np.random.default_rng(0)
for index in range(120):
    image = rng.integers(0, 255, (240, 320, 3), np.uint8)
    recorder.frame(Frame(index, index / 30, image), SAMPLE, 0.3)
recorder.close()
print(*recorder.warnings, sep="\\n")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_ends_the_video_and_nothing_else(tmp_path):
    command = [sys.executable, "-c", FULL, str(tmp_path / "film.mp4")]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    assert "the video ends here, it cannot be written" in done.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("name", "code", "named"),
    [
        ("film.avi", "invalid", "film.avi"),
        ("there.mp4", "exists", "there.mp4"),
        ("no/film.mp4", "unwritable", "no"),
    ],
)
def test_names_that_cannot_be_written_are_refused_at_once(tmp_path, name, code, named):
    (tmp_path / "there.mp4").write_bytes(b"precious")
    with raises(code, tmp_path / named):
        VideoRecorder(tmp_path / name)
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"


def test_records_keeps_all_three_at_once(tmp_path, short_clip, weights):
    options = RecordOptions(tmp_path / "s", False, tmp_path / "clean.mp4", tmp_path / "drawn.mp4")
    with Records(options) as records, open_sample(short_clip, weights) as session:
        records.begin(session, short_clip)
        (known,) = run_sample(session, records)
    assert records.warnings == ()
    source_times, source = decoded(short_clip)
    times, clean = decoded(tmp_path / "clean.mp4")
    assert times == pytest.approx(source_times, abs=1e-4)
    difference = np.abs(clean[80].astype(int) - source[80].astype(int))
    assert difference.mean() < 2
    (found,) = run_sample(open_sample(tmp_path / "clean.mp4", weights), None)
    assert abs(found.candidate.apex_frame - known.candidate.apex_frame) <= 1, "good enough to look at again"
    about = json.loads((tmp_path / "s" / "session.json").read_text())
    assert about["video"] == {"file": "clean.mp4", "frames": 144, "frames_dropped": 0}

    times, drawn = decoded(tmp_path / "drawn.mp4")
    assert times == pytest.approx(source_times, abs=1e-4)
    assert drawn[0].shape == (480 + STRIP, 640, 3)
    (event,) = read_session(tmp_path / "s").events
    before, during = drawn[event.candidate.onset_frame - 5], drawn[event.candidate.apex_frame]
    assert before[:40].mean() > during[:40].mean() + 40, (
        "the label's band is dark, and only there with a label"
    )
    assert np.abs(before[60:480].astype(int) - during[60:480]).max() > 60, "the box takes the label's colour"
    strip = drawn[-1][480:]
    assert (strip.min(axis=2) > 200).sum() > 300, "the curve is drawn"


def test_render_needs_a_curve_and_a_recording(tmp_path, short_clip, weights):
    with raises("not-found", tmp_path):
        render_video(short_clip, RecordedSession(tmp_path, ()), tmp_path / "out.mp4")
    options = RecordOptions(render=tmp_path / "out.mp4")
    with Records(options) as records, open_sample(short_clip, weights) as session:
        with raises("invalid", "--render", "--record"):
            records.begin(session, None)
        session.stop()


def test_a_label_stays_long_enough_to_be_read():
    from stream.records.video.render import _Canvas

    empty = np.zeros(0)
    canvas = _Canvas((make_event(1.0),), Motion(empty.astype(int), empty, empty > 0, empty, empty), ())
    assert canvas.event_at(0.99) is None
    assert canvas.event_at(1.0).onset == 1.0
    assert canvas.event_at(2.5).onset == 1.0
    assert canvas.event_at(2.6) is None
