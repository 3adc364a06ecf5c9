"""A short tone for each recognised movement, each label with its own melody; silence where there is no sound
device.

Everything that touches the sound device happens in a thread of its own: a device that is slow, busy or gone
never holds up the session.
"""

from __future__ import annotations

import queue
import threading
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from recognizer.recognition import UNCERTAIN

RATE = 44100
LOUDNESS = 0.3
ATTACK_S, RELEASE_S = 0.015, 0.06
"""A tone that starts or stops at once would click, and a click is what startles a participant."""

MELODIES: dict[str, tuple[float, tuple[float, ...]]] = {
    # label: (seconds, pitches in Hz at equal intervals): falling, rising, rising and falling, flat.
    "negative": (0.20, (440.0, 294.0)),
    "positive": (0.16, (523.0, 784.0)),
    "surprise": (0.18, (660.0, 1100.0, 660.0)),
    UNCERTAIN: (0.12, (330.0, 330.0)),
}
_MOST_WAITING = 3
"""Tones that may wait; further ones are dropped, because late ones would be misleading."""

Tone = npt.NDArray[np.float32]
"""(N,) float32, −1…1, at ``RATE``."""


def tone(label: str) -> Tone:
    """The label's tone; a label unknown here sounds uncertain."""
    seconds, pitches = MELODIES.get(label, MELODIES[UNCERTAIN])
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = np.interp(time, np.linspace(0, seconds, len(pitches)), pitches)
    wave = np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    ends = np.minimum(time / ATTACK_S, (time[-1] - time) / RELEASE_S)
    envelope = 0.5 - 0.5 * np.cos(np.pi * np.clip(ends, 0, 1))
    return np.asarray(LOUDNESS * envelope * wave, np.float32)


class Sound:
    """Tones on the default output device. Every method returns at once and none raises."""

    def __init__(self, on: bool = False) -> None:
        self._on = False
        self._problem: str | None = None
        self._waiting: queue.Queue[str | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self.turn(on)

    @property
    def on(self) -> bool:
        """Whether tones are wanted and, as far as is known, possible."""
        return self._on and self._problem is None

    @property
    def problem(self) -> str | None:
        """Why there is no sound, in one line; None while nothing is wrong or nothing was tried."""
        return self._problem

    def turn(self, on: bool) -> None:
        """On or off. Turning it on tries the device, also after it has failed."""
        self._on = on
        if on and (self._thread is None or not self._thread.is_alive()):
            self._problem = None
            self._waiting = queue.Queue(_MOST_WAITING)
            self._thread = threading.Thread(target=self._work, name="sound", daemon=True)
            self._thread.start()

    def play(self, label: str) -> None:
        """Plays the label's tone, after those that are waiting."""
        if self.on:
            self._put(label)

    def close(self) -> None:
        """Lets the last tone end; waits at most half a second for it."""
        if self._thread is not None:
            self._put(None)
            self._thread.join(0.5)

    def _put(self, label: str | None) -> None:
        with suppress(queue.Full):
            self._waiting.put_nowait(label)

    def _work(self) -> None:
        waiting = self._waiting
        tones = {label: tone(label) for label in MELODIES}
        try:
            import sounddevice

            with sounddevice.OutputStream(samplerate=RATE, channels=1, dtype="float32") as stream:
                while (label := waiting.get()) is not None:
                    stream.write(tones.get(label, tones[UNCERTAIN]))
        except ImportError:
            self._problem = "no sound: sounddevice is missing; pip install sounddevice"
        except OSError:  # raised while sounddevice is imported
            self._problem = "no sound: PortAudio is missing; on Debian or Ubuntu: apt install libportaudio2"
        except Exception as error:  # PortAudioError, whose class does not exist before the import
            reason = " ".join(str(error).split()) or type(error).__name__
            known = "there is no output device" if "device -1" in reason else f"the device fails ({reason})"
            self._problem = f"no sound: {known}"
