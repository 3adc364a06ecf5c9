"""The times of a recording are those that players show, whatever is wrong with single timestamps."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from overlay_session import make_event
from user_errors import raises

from stream.records.export.formats import export
from stream.records.folder import SessionFolder
from stream.records.recorded_session import RecordedSession
from stream.session import Session
from stream.settings import Settings
from stream.sources import open_recording
from stream.sources.video_clock import ClockConfig, VideoClock

WIDTH, HEIGHT = 64, 48
MS = Fraction(1, 1000)
STEADY = [40 * index for index in range(60)]

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the ffmpeg program")


def gray(index: int) -> int:
    """Tells frames apart after compression."""
    return 20 + 7 * (index % 30)


def write_video(
    path: Path,
    times_ms: Sequence[int],
    *,
    sound_from_ms: int | None = None,
    codec: str = "libx264",
    encoded_ms: Sequence[int] | None = None,
) -> Path:
    """A clip whose frames carry these times. ``encoded_ms``: what the encoder is told instead, in order."""
    with av.open(str(path), "w") as container:
        options = {"g": "10", "bf": "0", "tune": "zerolatency"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = MS
        sound = None
        if sound_from_ms is not None:
            sound = container.add_stream("aac", rate=16000)
            sound.codec_context.time_base = Fraction(1, 16000)
        for index, milliseconds in enumerate(encoded_ms or times_ms):
            image = np.full((HEIGHT, WIDTH, 3), gray(index), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = milliseconds, MS
            for packet in stream.encode(frame):
                if encoded_ms is not None:  # the decoding order stays whole, only the times are wrong
                    packet.time_base = MS
                    packet.dts, packet.pts = index - 1000, times_ms[index]
                container.mux(packet)
        if encoded_ms is None:
            container.mux(stream.encode(None))
        if sound is not None:
            for k in range(40):
                samples = np.zeros((1, 1024), np.float32)
                beep = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
                beep.sample_rate, beep.time_base = 16000, Fraction(1, 16000)
                beep.pts = 16 * sound_from_ms + 1024 * k
                container.mux(sound.encode(beep))
            container.mux(sound.encode(None))
    return path


def times_of(path: Path, **clock: float) -> list[float]:
    with open_recording(path, **clock) as source:
        return [frame.timestamp for frame in iter(source.read, None)]


def seconds(times_ms: Sequence[int]) -> list[float]:
    return [milliseconds / 1000 for milliseconds in times_ms]


# What players call 0


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "ts"])
def test_a_picture_that_starts_after_its_sound_keeps_its_distance(tmp_path: Path, ending: str) -> None:
    clip = write_video(tmp_path / f"late.{ending}", [900 + t for t in STEADY], sound_from_ms=0)
    with open_recording(clip) as source:
        times = [frame.timestamp for frame in iter(source.read, None)]
        assert source.duration == pytest.approx(0.9 + 60 * 0.04, abs=0.15)
        assert source.warnings == ()
    # Some containers count the encoder's delay of the sound in: players show that as well.
    assert times[0] == pytest.approx(0.9, abs=0.07)
    assert np.diff(times) == pytest.approx(0.04, abs=0.001)


def test_a_picture_that_starts_before_its_sound_starts_at_0(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "early.mp4", STEADY, sound_from_ms=700)
    assert times_of(clip) == pytest.approx(seconds(STEADY), abs=1e-6)


@needs_ffmpeg
def test_an_edit_list_hides_what_players_do_not_show(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", STEADY)
    cut = tmp_path / "cut.mp4"
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-ss", "1.0", "-i", str(whole), "-c", "copy", str(cut)],
        check=True,
    )
    with open_recording(whole) as source:
        shown = list(iter(source.read, None))[25:]  # the key frame before, at 0.8 s, is not among them
    with open_recording(cut) as source:
        frames = list(iter(source.read, None))
    assert [frame.timestamp for frame in frames] == pytest.approx(seconds(STEADY[:35]), abs=1e-3)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, shown, strict=True))


# Wrong timestamps


@pytest.mark.parametrize("wrong", [[20], [20, 21, 22], [59]])
def test_a_timestamp_in_the_far_future_costs_only_its_own_frame(tmp_path: Path, wrong: list[int]) -> None:
    stamps = [t + 7_200_000 * (index in wrong) for index, t in enumerate(STEADY)]
    with open_recording(write_video(tmp_path / "far.mkv", stamps, encoded_ms=STEADY)) as source:
        times = [frame.timestamp for frame in iter(source.read, None)]
        if wrong != [59]:  # of the last frame nobody can tell
            assert len(source.warnings) == 1
            assert "wrong timestamp" in source.warnings[0]
    right = [index for index in range(60) if index not in wrong]
    assert [times[k] for k in right] == pytest.approx(seconds([STEADY[k] for k in right]), abs=1e-3)
    if wrong != [59]:
        assert np.diff(times).min() > 0.005
        assert times[20] == pytest.approx(0.8, abs=0.041)


def test_a_timestamp_that_steps_back_costs_only_its_own_frame(tmp_path: Path) -> None:
    stamps = list(STEADY)
    stamps[20] = 100
    times = times_of(write_video(tmp_path / "back.mkv", stamps, encoded_ms=STEADY))
    assert times == pytest.approx(seconds(STEADY), abs=0.021)
    assert times[:20] + times[21:] == pytest.approx(seconds(STEADY[:20] + STEADY[21:]), abs=1e-3)


def test_a_leap_that_lasts_is_a_gap(tmp_path: Path) -> None:
    stamps = STEADY[:30] + [3_600_000 + t for t in STEADY[30:]]
    assert times_of(write_video(tmp_path / "leap.mkv", stamps)) == pytest.approx(seconds(stamps), abs=1e-3)


def clock(**about: float) -> tuple[VideoClock, list[str]]:
    words: list[str] = []
    return VideoClock(ClockConfig(**{"zero": 0.0, "rate": 25.0, **about}), words.append), words


def run(video_clock: VideoClock, stamps: Sequence[float | None], ahead: int = 32) -> list[float]:
    return [
        video_clock.time(stamp, [s for s in stamps[k + 1 : k + 1 + ahead] if s is not None])
        for k, stamp in enumerate(stamps)
    ]


def test_a_damaged_stretch_beyond_the_end_goes_on_and_comes_back() -> None:
    right = seconds(STEADY) + [2.4 + t for t in seconds(STEADY)]
    stamps = [t + 5000 * (30 <= k < 90) for k, t in enumerate(right)]  # longer than is read ahead
    video_clock, words = clock(length=4.8)
    assert run(video_clock, stamps) == pytest.approx(right)
    assert len(words) >= 1


def test_a_clock_that_starts_anew_is_counted_on() -> None:
    video_clock, words = clock()
    times = run(video_clock, seconds(STEADY) * 2)
    assert times == pytest.approx([0.04 * k for k in range(120)])
    assert words == ["the file's clock goes back after 2.4 s; times are counted on from there"]


def test_missing_and_repeated_timestamps_still_advance() -> None:
    video_clock, words = clock(rate=10.0)
    times = run(video_clock, [None, 0.1, 0.1, 0.3, None, 0.5])
    assert times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert set(words) == {
        "some frames have no usable timestamp and are spaced by the frame rate",
        "some frames have a wrong timestamp and are put between their neighbours",
    }


# Files without a clock, or with a wrong one


@pytest.mark.parametrize(("name", "codec"), [("raw.h264", "libx264"), ("raw.mjpeg", "mjpeg")])
def test_a_file_without_a_clock_says_what_it_assumes(tmp_path: Path, name: str, codec: str) -> None:
    clip = write_video(tmp_path / name, STEADY, codec=codec)
    with open_recording(clip) as source:
        times = [frame.timestamp for frame in iter(source.read, None)]
        assert source.clock_assumed
        assert source.clock.startswith("an assumed ")
        assert "--fps" in source.clock
        assert times == pytest.approx([k / source.nominal_fps for k in range(60)])
    with open_recording(clip, fps=50) as source:
        assert [frame.timestamp for frame in iter(source.read, None)] == pytest.approx(
            [k / 50 for k in range(60)]
        )
        assert (source.clock, source.clock_assumed) == ("the rate given, 50 fps", False)


def test_a_wrong_clock_and_slow_motion_are_put_right(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", STEADY)
    with open_recording(clip, slow_motion=4) as source:
        assert source.nominal_fps == pytest.approx(100)
        assert source.duration == pytest.approx(0.6)
        assert not source.clock_assumed
        times = [frame.timestamp for frame in iter(source.read, None)]
    assert times == pytest.approx([t / 4 for t in seconds(STEADY)], abs=1e-6)
    assert times_of(clip, fps=30, slow_motion=8) == pytest.approx([k / 240 for k in range(60)])
    with open_recording(clip, fps=50) as source:
        assert source.duration == pytest.approx(1.2)
    with open_recording(clip) as source:
        assert (source.clock, source.clock_assumed) == ("the video's own timestamps", False)
    for bad in ({"fps": 0.0}, {"slow_motion": -1.0}, {"fps": float("nan")}):
        with raises("invalid", clip, *(f"{value:g}" for value in bad.values())):
            open_recording(clip, **bad)


# What goes beside the video


def test_formats_beside_the_video_have_the_times_of_players(tmp_path: Path) -> None:
    session = RecordedSession(
        tmp_path,
        (make_event(1.0),),
        about={
            "source": {"recording": "clip.mp4", "player_pace": 4.0, "duration": 5.0, "nominal_fps": 120.0}
        },
    )
    for name, expected in (("vtt", "00:00:04.000 --> 00:00:05.440"), ("csv", "1,1.0,1.16,")):
        assert expected in export(session, name, tmp_path / f"out.{name}").read_text(encoding="utf-8")
    project = json.loads(export(session, "boris", tmp_path / "out.boris").read_text(encoding="utf-8"))
    (observation,) = project["observations"].values()
    assert [row[0] for row in observation["events"]] == [4.0, 4.64, 5.44]


def test_a_session_in_slow_motion_finds_what_it_finds_in_the_original(
    short_clip: Path, settings: Settings, tmp_path: Path
) -> None:
    slow = tmp_path / "slow.mp4"
    with av.open(str(short_clip)) as original, av.open(str(slow), "w") as container:
        stream = container.add_stream_from_template(original.streams.video[0])
        for packet in original.demux(original.streams.video[0]):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = 4 * packet.pts, 4 * packet.dts, stream
                container.mux(packet)
    found = list(Session.replay(short_clip, settings))
    slowed = replace(settings, session=replace(settings.session, slow_motion=4.0))
    assert len(found) == 1
    for event in Session.replay(slow, slowed):
        assert (event.onset, event.label) == (pytest.approx(found[0].onset, abs=1e-3), found[0].label)
    with SessionFolder(tmp_path / "out") as folder, Session.replay(slow, slowed) as session:
        folder.begin(session, slow)
    assert json.loads((tmp_path / "out" / "session.json").read_text())["source"]["player_pace"] == 4
