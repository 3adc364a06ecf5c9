"""Tones: short, soft, told apart by ear; and nothing about sound can disturb a session."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from stream.outputs.sound import ATTACK_S, MELODIES, RATE, Sound, tone

ROOT = Path(__file__).resolve().parents[1]
NO_PORTAUDIO = 'raise OSError("PortAudio library not found")\n'
NO_DEVICE = """
class PortAudioError(Exception): ...
def OutputStream(**options): raise PortAudioError("Error querying device -1")
"""


def pitch(wave: np.ndarray) -> float:
    """Hz, from the zero crossings."""
    crossings = np.flatnonzero(np.diff(np.signbit(wave)))
    return RATE / 2 * (len(crossings) - 1) / (crossings[-1] - crossings[0])


@pytest.mark.parametrize("label", MELODIES)
def test_a_tone_is_short_and_starts_and_ends_softly(label):
    wave = tone(label)
    assert wave.dtype == np.float32
    assert 0.12 <= len(wave) / RATE <= 0.2
    assert np.abs(wave).max() <= 0.5
    assert abs(wave[0]) < 1e-3
    assert abs(wave[-1]) < 1e-3
    first, whole = wave[: round(ATTACK_S / 4 * RATE)], np.abs(wave).max()
    assert np.abs(first).max() < 0.3 * whole
    assert np.abs(np.diff(wave)).max() < 0.06, "a step in the wave is a click"


def test_each_label_has_its_own_melody():
    thirds = {label: [pitch(part) for part in np.array_split(tone(label), 3)] for label in MELODIES}
    assert thirds["negative"][0] > thirds["negative"][1] > thirds["negative"][2]
    assert thirds["positive"][0] < thirds["positive"][1] < thirds["positive"][2]
    assert thirds["surprise"][0] < thirds["surprise"][1] > thirds["surprise"][2]
    assert np.ptp(thirds["uncertain"]) < 5
    for one, other in combinations(thirds, 2):
        apart = np.abs(np.log2(np.array(thirds[one]) / np.array(thirds[other])))
        assert apart.max() > 3 / 12, f"{one} and {other} are less than a minor third apart"


def test_an_unknown_label_sounds_uncertain():
    assert np.array_equal(tone("contempt"), tone("uncertain"))


@pytest.fixture
def library(tmp_path, monkeypatch):
    """``library(source)`` puts a module of this source in place of sounddevice."""

    def put(source: str) -> None:
        (tmp_path / "sounddevice.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "sounddevice", raising=False)

    yield put
    sys.modules.pop("sounddevice", None)


def settled(sound: Sound) -> Sound:
    """Once its thread has ended."""
    sound._thread.join(10)
    assert not sound._thread.is_alive()
    return sound


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (NO_PORTAUDIO, "PortAudio is missing; on Debian or Ubuntu: apt install libportaudio2"),
        (NO_DEVICE, "there is no output device"),
        ("raise ImportError", "sounddevice is missing"),
    ],
)
def test_what_is_missing_is_said_and_playing_stays_silent(library, source, words):
    library(source)
    sound = settled(Sound(on=True))
    assert words in sound.problem
    assert not sound.on
    for label in MELODIES:
        sound.play(label)
    sound.close()


def test_the_real_library_never_raises():
    sound = Sound(on=True)
    sound.play("surprise")
    sound.close()
    assert sound.on or sound.problem.startswith("no sound: ")


def test_turning_it_on_again_tries_again(library):
    library(NO_PORTAUDIO)
    sound = settled(Sound(on=True))
    assert sound.problem is not None
    library(NO_DEVICE)
    sound.turn(True)
    assert "output device" in settled(sound).problem


def test_a_stuck_device_holds_nobody_up(library):
    library("""
import threading
entered, release, written = threading.Event(), threading.Event(), []
class OutputStream:
    def __init__(self, **options): pass
    def __enter__(self): return self
    def __exit__(self, *error): pass
    def write(self, tone):
        written.append(len(tone)); entered.set(); release.wait()
""")
    sound = Sound(on=True)
    sound.play("positive")
    import sounddevice

    assert sounddevice.entered.wait(10)
    for _ in range(1000):  # would never return if it waited for the device
        sound.play("negative")
    sounddevice.release.set()
    while len(sounddevice.written) < 4:
        assert sound._thread.is_alive()
        threading.Event().wait(0.01)
    sound.close()
    settled(sound)
    assert len(sounddevice.written) == 4, "one and three that waited; the others would have come too late"


def test_silent_sessions_do_not_load_the_library():
    code = (
        "import sys; from stream.outputs.sound import Sound; Sound(); sys.exit('sounddevice' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_session_without_sound_goes_on_and_says_so_once(tmp_path, short_clip, weights):
    (tmp_path / "sounddevice.py").write_text(NO_PORTAUDIO)
    command = [sys.executable, "-m", "stream.cli", "replay", str(short_clip), "--sound", "--speed", "max"]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [*command, "--weights", str(weights)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr.count("no sound: PortAudio is missing") == 1
