"""Every run says what could be seen, so that not seeing never looks like nothing having happened."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from overlay_session import make_status
from rich.console import Console

from recognizer.errors import AtmeError
from spotting.motion import NO_FACE, STILL, MotionSample
from stream.batch.jobs import Outcome, plan, run_job
from stream.batch.view import summary
from stream.frame import Image
from stream.labels import WARNING
from stream.overlay.summary import summarise
from stream.pipeline.seen import Seen, Tally
from stream.records.recorded_session import read_session
from stream.records.report.gather import write_report
from stream.session import Session
from stream.settings import Settings
from training.rendering.portrait import Portrait


def sample(time: float, *, face: bool = True, px: float = 200.0, light: float = 120.0) -> MotionSample:
    return MotionSample(
        0, time, face, NO_FACE, 0.0, "", 0.0, 0.3, 0.0, False, px if face else 0.0, light, STILL
    )


def write(path: Path, images: list[Image], fps: int = 30) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def mostly_empty(portrait: Portrait, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face for a second, then four seconds of an empty wall."""
    wall = np.full_like(portrait.image, 128)
    return write(tmp_path_factory.mktemp("seen") / "wall.mp4", [portrait.image] * 30 + [wall] * 120)


def seen_in(path: Path, settings: Settings) -> Seen:
    session = Session.replay(path, settings)
    list(session)
    return session.status().seen


def test_the_tally_counts_time_and_troubles_and_leaves_gaps_out() -> None:
    tally = Tally()
    times = [0.0, 0.02, 0.04, 0.06, 5.0, 5.02]
    samples = [sample(t) for t in times[:3]]
    samples += [sample(0.06, face=False), sample(5.0, px=50.0), sample(5.02, light=10.0)]
    for one in samples:
        tally.add(one)
    seen = tally.seen("the video's own timestamps", False, 25.0, {"blink": 2, "speech": 5})
    assert (seen.frames, seen.usable, seen.fps) == (6, 0.5, pytest.approx(50))
    assert seen.seconds == pytest.approx(0.08)
    assert seen.troubles == pytest.approx({"no face": 1 / 6, "too far": 1 / 6, "too dark": 1 / 6})
    assert seen.line == (
        "seen: watched 0.00 min; ! usable face in 50 % of 6 frames (no face 17 %, too dark 17 %, too far 17 %"
        "); 50.0 fps, times from the video's own timestamps; rejected 7, most often speech (5)"
    )
    assert Seen.read({"seen": json.loads(json.dumps(seen.to_dict()))}) == replace(
        seen,
        seconds=0.08,
        fps=50.0,
        troubles=Seen.read({"seen": seen.to_dict()}).troubles,
    )


@pytest.mark.parametrize("told", [None, [], {}, {"fps": 3}, {**Seen().to_dict(), "usable": "nan"}])
def test_a_session_file_that_says_nonsense_says_nothing(told: object) -> None:
    assert Seen.read({"seen": told}) is None


def test_what_is_bad_is_marked() -> None:
    good = Seen(60.0, 3600, 0.97, {"no face": 0.03}, 60.0, 25.0, "the video's own timestamps")
    assert not good.bad
    for change in ({"usable": 0.5}, {"fps": 15.0}, {"clock_assumed": True}, {"frames": 1, "fps": None}):
        assert replace(good, **change).bad
        assert "! " in replace(good, **change).line
    assert Seen().line == "seen: ! not a single frame was seen"


def test_the_summary_after_the_overlay_is_in_warning_colour_where_it_is_bad() -> None:
    seen = Seen(60.0, 1800, 0.2, {"no face": 0.8}, 30.0, 25.0, "the video's own timestamps")
    console = Console(width=200, force_terminal=True, color_system="truecolor")
    with console.capture() as capture:
        console.print(summarise(make_status(seen=seen), []))
    red, green, blue = (int(WARNING[k : k + 2], 16) for k in (1, 3, 5))
    assert f"\x1b[1;38;2;{red};{green};{blue}m! usable face in 20 %" in capture.get()


def test_no_face_in_most_of_the_frames(mostly_empty: Path, settings: Settings) -> None:
    seen = seen_in(mostly_empty, settings)
    assert seen.usable == pytest.approx(0.2, abs=0.02)
    assert seen.troubles["no face"] == pytest.approx(0.8, abs=0.02)
    assert (seen.frames, seen.fps) == (150, pytest.approx(30))
    assert seen.seconds == pytest.approx(149 / 30)
    assert seen.face_bad
    assert not seen.rate_bad


def test_a_single_frame(portrait: Portrait, tmp_path: Path, settings: Settings) -> None:
    seen = seen_in(write(tmp_path / "one.mp4", [portrait.image]), settings)
    assert seen.frames == 1
    assert seen.line.startswith("seen: ! watched 0.00 min; usable face in 100 % of 1 frame; ! no rate known")


def test_a_raw_stream_says_that_its_times_are_assumed(
    portrait: Portrait, tmp_path: Path, settings: Settings
) -> None:
    raw = write(tmp_path / "raw.h264", [portrait.image] * 30)
    assert (
        "; ! 30.0 fps, times from an assumed 30 fps, because the file has no clock"
        in seen_in(raw, settings).line
    )
    told = replace(settings, session=replace(settings.session, fps=60.0))
    assert "; 60.0 fps, times from the rate given, 60 fps" in seen_in(raw, told).line


def test_lines_end_with_it_on_stderr(mostly_empty: Path, tmp_path: Path) -> None:
    for flag in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "stream.cli", "replay", mostly_empty, *flag, "--speed", "max"],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("atme: wall.mp4: seen: watched 0.08 min; ! usable face in ")


def test_session_folder_report_and_batch_table_have_it(
    mostly_empty: Path, settings: Settings, tmp_path: Path
) -> None:
    (job,) = plan([mostly_empty], tmp_path, settings)
    outcome = run_job(job, lambda share: None)
    about = json.loads((job.folder / "session.json").read_text())
    assert outcome.seen == Seen.read(about)
    assert about["seen"]["frames"] == 150
    assert about["source"]["clock"] == "the video's own timestamps"
    html = write_report(read_session(job.folder), pictures=False).read_text(encoding="utf-8")
    assert "<p class='note'>Seen: watched 0.08 min; <b>usable face in 20 % of 150 frames" in html
    console = Console(width=200, force_terminal=True, color_system="truecolor")
    with console.capture() as capture:
        console.print(summary([outcome, Outcome(job, "failed", error=AtmeError("unreadable", "lost"))]))
    assert "failed: unreadable" in capture.get()
    row = next(line for line in capture.get().splitlines() if "wall" in line)
    assert "\x1b[38;2;230;159;0m20%" in row
    assert "30.0" in row
