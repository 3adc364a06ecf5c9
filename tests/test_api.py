"""``import atme``: what it gives, how soon, and that frames pushed one by one give what a replay gives."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from user_errors import raises

import atme
import recognizer
import spotting
import stream
from stream.sources import open_recording

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"numpy", "cv2", "torch", "onnxruntime", "numba", "av", "pydantic", "rich", "mediapipe", "scipy"}


class Kept(atme.Observer):
    """All that an observer is told, as far as it repeats."""

    def __init__(self) -> None:
        self.frames: list = []
        self.events: list = []
        self.rejections: list = []

    def frame(self, frame, sample, threshold):
        self.frames.append((frame.index, frame.timestamp, sample, threshold))

    def event(self, event, onset, apex, features):
        self.events.append(told(event))

    def rejection(self, rejection):
        self.rejections.append(rejection)


def told(event: atme.Expression) -> dict:
    """An event without how long it took."""
    return {name: value for name, value in event.to_dict().items() if name not in ("latency_ms", "stage_ms")}


def pairs_of(clip: Path) -> list[tuple[np.ndarray, float]]:
    with open_recording(clip) as source:
        return [(frame.image, frame.timestamp) for frame in iter(source.read, None)]


@pytest.fixture(scope="module")
def pairs(short_clip) -> list[tuple[np.ndarray, float]]:
    return pairs_of(short_clip)


# --- what it gives, and how soon


def test_the_import_alone_loads_nothing_heavy():
    words = (
        "import sys, atme; atme.__version__; dir(atme); print(*{n.partition('.')[0] for n in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "atme" in done.stdout.split()
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("live", ["stream.settings", "stream.sources.camera, stream.commands.watch_session"])
def test_what_shows_no_video_loads_no_ffmpeg(live):
    words = f"import sys, {live}; stream.settings.Settings(); sys.exit('av' in sys.modules)"
    subprocess.run([sys.executable, "-c", words], cwd=ROOT, check=True)


@pytest.mark.parametrize("package", [atme, stream, spotting, recognizer])
def test_every_name_is_there_and_known_to_type_checkers(package):
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    typed = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "recognizer.lazy"
        for alias in node.names
    }
    typed |= {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for name in ast.walk(node.targets[0])
        if isinstance(name, ast.Name)
    }
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in typed
    with pytest.raises(AttributeError, match="no attribute 'micro'"):
        package.micro  # noqa: B018


def test_the_names_are_those_of_the_packages():
    assert atme.Session is stream.Session
    assert atme.Recognizer is recognizer.Recognizer
    assert atme.replay == atme.Session.replay
    assert {"replay", "Detector"} <= set(dir(atme))


def test_each_package_says_that_it_is_typed():
    for name in ("atme", "stream", "spotting", "recognizer", "training"):
        assert (ROOT / name / "py.typed").is_file()


# --- frames of one's own


def test_a_detector_gives_what_a_replay_gives(demo_clip, settings):
    replayed, pushed = Kept(), Kept()
    session = atme.replay(demo_clip, settings)
    session.observer = replayed
    expected = [told(event) for event in session]
    with atme.Detector(settings, observer=pushed) as detector:
        found = [event for frame, seconds in pairs_of(demo_clip) for event in detector.push(frame, seconds)]
        assert detector.flush() == []
    assert len(expected) == 3
    assert [told(event) for event in found] == expected
    assert pushed.events == replayed.events
    assert pushed.frames == replayed.frames
    assert pushed.rejections == replayed.rejections
    assert all(0 < event.latency_ms < 60_000 for event in found)


def test_detect_takes_a_rate_or_times_and_a_reset_begins_anew(pairs, short_clip, settings):
    (expected,) = [told(event) for event in atme.replay(short_clip, settings)]
    assert [told(event) for event in atme.detect(pairs, settings=settings)] == [expected]
    (event,) = atme.detect((frame for frame, _ in pairs), 60, settings)
    assert event.apex == pytest.approx(expected["apex"], abs=0.002)
    with atme.Detector(settings) as detector:
        for frame, seconds in pairs[:60]:
            detector.push(frame, 1000 + seconds)
        detector.reset()
        found = [event for frame, seconds in pairs for event in detector.push(frame, seconds)]
    assert [told(event) for event in found] == [expected]


def test_spot_finds_the_candidates_of_the_replay(short_clip, settings):
    (event,) = atme.replay(short_clip, settings)
    assert atme.spot(short_clip, settings) == [event.candidate]


def test_a_gap_is_told_and_the_face_is_learnt_anew(pairs, settings):
    gaps, kept = [], Kept()
    kept.gap = gaps.append
    late = [(frame, seconds + (seconds > 1.3) * 5) for frame, seconds in pairs]  # amid the movement
    assert list(atme.detect(late, settings=settings, observer=kept)) == []
    assert [gap.reason for gap in gaps] == ["no frames"]
    assert len(kept.frames) == len(pairs)


GOOD = np.zeros((48, 64, 3), np.uint8)
BAD = {
    "float": (GOOD.astype(np.float32), 2.0, ("float32", "(48, 64, 3)")),
    "gray": (GOOD[..., 0], 2.0, ("uint8", "(48, 64)")),
    "alpha": (np.dstack([GOOD, GOOD])[..., :4], 2.0, ("uint8", "(48, 64, 4)")),
    "empty": (GOOD[:0], 2.0, ("uint8", "(0, 64, 3)")),
    "no array": ([[1, 2, 3]], 2.0, ("list",)),
    "another size": (GOOD[:24], 2.0, ("64x24", "64x48")),
    "time goes back": (GOOD, 0.5, ("0.5 s", "1 s")),
    "time stands still": (GOOD, 1.0, ("1 s",)),
    "no time": (GOOD, float("nan"), ("nan s",)),
    "time in words": (GOOD, "2.0", ("'2.0'",)),
}


@pytest.fixture(scope="module")
def detector(settings):
    with atme.Detector(settings) as detector:
        yield detector


@pytest.mark.parametrize("what", BAD)
def test_a_bad_frame_is_one_clear_line_and_the_next_good_one_goes_on(detector, what):
    frame, seconds, found = BAD[what]
    detector.reset()
    detector.push(GOOD, 1.0)
    with raises("invalid", "frame 1", *found):
        detector.push(frame, seconds)
    detector.push(GOOD, 1.1)


def test_frames_without_a_rate_need_their_times(settings):
    with raises("invalid", "frame 0"):
        next(atme.detect([GOOD], settings=settings))
    with raises("invalid", "fps 0"):
        atme.detect([GOOD], fps=0)


# --- sessions


def test_a_session_calls_back(short_clip, settings):
    told_to: list[atme.MicroExpression] = []
    session = atme.replay(short_clip, settings, on_event=told_to.append)
    session.run()
    assert not session.running
    assert len(told_to) == 1


def test_what_the_callback_raises_reaches_the_caller(short_clip, settings):
    def broken(event: atme.MicroExpression) -> None:
        raise atme.AtmeError("invalid", "nobody wants it")

    with raises("invalid", "nobody wants it"):
        atme.open(short_clip, settings, on_event=broken).run()


# --- what stands in the documentation


def snippets(page: str) -> list[str]:
    return [
        block.split("```")[0] for block in (ROOT / page).read_text(encoding="utf-8").split("```python\n")[1:]
    ]


def test_what_the_documentation_shows_runs(
    short_clip, pairs, portrait, moved, sample_folder, tmp_path, monkeypatch, capsys
):
    """Each page's snippets in their order, then the module's own. A recording stands in for the camera."""
    (tmp_path / "clip.mp4").symlink_to(short_clip)
    copytree(sample_folder, tmp_path / "s01")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(atme, "camera", lambda device, **rest: atme.replay("clip.mp4", **rest), raising=False)
    onset, apex = portrait.image, moved((12, 0.009, 0.009), (6, 0.0045, 0.0045))
    shown = snippets("README.md") + snippets("docs/how-to/python.md")
    assert len(shown) >= 11
    own = textwrap.dedent(
        "\n".join(line for line in atme.__doc__.splitlines()[1:] if line[:4] in ("    ", ""))
    )
    for text in (*shown, own):
        frames = [frame for frame, _ in pairs]
        given = {"frames": frames, "frames_and_times": pairs, "onset_image": onset, "apex_image": apex}
        given |= {"pairs": iter([(seconds, frame) for frame, seconds in pairs]), "atme": atme}
        given |= {"frame": frames[0], "seconds": 0.0, "onset": onset, "apex": apex}
        exec(compile(text, "<documentation>", "exec"), given)
    said = capsys.readouterr().out
    assert said.count("positive") >= 5, said
    assert "missing.mp4" in said
    assert "not-found" in said
    assert (tmp_path / "s01" / "short.eaf").is_file()
