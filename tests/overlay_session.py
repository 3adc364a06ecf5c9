"""A scripted session for the overlay: used by the tests, and by hand: ``python tests/overlay_session.py``.

Options: ``--events N`` ends by itself after N events, ``--lines`` and ``--json`` use the line output,
``--noise`` writes to file descriptor 2 all the time, ``--fail`` dies after the first event,
``--log FILE`` writes an event log, ``--ascii`` draws without other characters.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console

from recognizer.recognition import Recognition
from recognizer.units import Unit
from spotting.candidate import Candidate, Rejection
from stream.event import MacroExpression, MicroExpression
from stream.outputs.event_log import EventLog
from stream.overlay.extras import Extras
from stream.overlay.onlooker import EventMotion, Onlooker
from stream.status import MotionPoint, Status

THRESHOLD = 0.25
FPS = 30
EVENTS = (
    ("negative", (0.87, 0.09, 0.04)),
    ("surprise", (0.21, 0.17, 0.62)),
    ("uncertain", (0.41, 0.38, 0.21)),
    ("positive", (0.03, 0.94, 0.03)),
)


UNITS = (
    Unit("AU4", "both", 0.93, 0.88, 1.31, 1.2),
    Unit("AU12", "", 0.02, 0.03, -0.1, -0.05),
    Unit("AU7", "left", 0.71, 0.2, 0.6, 0.4),
    Unit("blink", "", 0.1, 0.1, 0.2, 0.0),
)


def make_event(onset: float = 12.345, label: str = "negative", probabilities=(0.87, 0.09, 0.04), units=UNITS):
    """An event of 0.36 s."""
    candidate = Candidate(
        onset=onset,
        apex=onset + 0.16,
        offset=onset + 0.36,
        onset_frame=round(onset * FPS),
        apex_frame=round((onset + 0.16) * FPS),
        offset_frame=round((onset + 0.36) * FPS),
        score=2.4,
        peak=0.6,
        region="left_brow",
        decided=onset + 0.5,
    )
    names = ("negative", "positive", "surprise")
    recognition = Recognition(
        label=label,
        probabilities=dict(zip(names, probabilities, strict=True)),
        confidence=max(probabilities),
        stage_ms={"landmarks": 2.1, "flow": 43.2, "model": 1.4},
        units=units,
    )
    return MicroExpression(
        candidate, 141.7, recognition, (max(candidate.onset_frame - 1, 0), candidate.apex_frame)
    )


def make_macro(onset: float = 4.0) -> MacroExpression:
    """An expression of 1.2 s, without a label."""
    movement = make_event(onset).candidate
    longer = replace(movement, offset=onset + 1.2, offset_frame=round((onset + 1.2) * FPS), kind="macro")
    return MacroExpression(longer, 80.0)


def make_rejection(onset: float, reason: str) -> Rejection:
    """A movement of 0.36 s that was rejected."""
    return Rejection(make_event(onset).candidate, reason)


def drawn_face() -> np.ndarray:
    """(128, 128) uint8: a pale oval with eyes and a mouth."""
    face = np.full((128, 128), 60, np.uint8)
    cv2.ellipse(face, (64, 64), (44, 58), 0, 0, 360, 200, -1)
    for eye in (44, 84):
        cv2.ellipse(face, (eye, 50), (10, 5), 0, 0, 360, 30, -1)
    cv2.ellipse(face, (64, 96), (20, 6), 0, 0, 360, 90, -1)
    return face


def smile_flow() -> np.ndarray:
    """(128, 128, 2) float32: the lip corners go outwards and up by at most a pixel and a half."""
    y, x = np.mgrid[:128, :128].astype(np.float32)
    flow = np.zeros((128, 128, 2), np.float32)
    for corner, way in ((44, -1.0), (84, 1.0)):
        bump = np.exp(-((x - corner) ** 2 + (y - 94) ** 2) / 200)
        flow += bump[..., None] * np.array((way, -1.0), np.float32)
    return flow


def make_extras(event: MicroExpression | None = None, **changes) -> Extras:
    """Everything there is to see beside the status."""
    extras = Extras(
        rejections=(make_rejection(10.0, "blink"), make_rejection(13.2, "speech")),
        marks=(11.5,),
        face=drawn_face(),
        motion=EventMotion(event, drawn_face(), smile_flow()) if event else None,
        pictures=True,
        sound=False,
    )
    return replace(extras, **changes)


def make_status(**changes) -> Status:
    """A session that has been watching a file for 16 s."""
    status = Status(
        source="interview_07.mp4",
        width=1280,
        height=720,
        nominal_fps=30.0,
        measured_fps=29.7,
        time=16.0,
        progress=0.42,
        frames=480,
        dropped=0,
        state="watching",
        latency_p50_ms=141.7,
        latency_p95_ms=203.4,
        provider="CPU",
        curve=motion(16.0, [12.345]),
        rejected={"blink": 9, "speech": 4, "head motion": 2, "too short": 2},
        paused=False,
    )
    return replace(status, **changes)


def motion(now: float, onsets: list[float]) -> tuple[MotionPoint, ...]:
    """Ten seconds of motion: noise, and a hump for each onset."""
    points = []
    for index in range(max(0, math.floor((now - 10) * FPS)), math.floor(now * FPS) + 1):
        at = index / FPS
        humps = sum(0.6 * math.exp(-(((at - onset - 0.16) / 0.1) ** 2)) for onset in onsets)
        noise = 0.06 * abs(math.sin(3.1 * at)) + 0.05 * abs(math.sin(17.3 * at + 1))
        points.append(MotionPoint(at, noise + humps, THRESHOLD))
    return tuple(points)


class ScriptedSession:
    """An event every 1.2 s, from the list above, by the wall clock."""

    def __init__(self, count: int | None = None, fail: bool = False, noise: bool = False) -> None:
        self.count, self.fail, self.noise = count, fail, noise
        self.started = time.monotonic()
        self.delivered: list[MicroExpression] = []
        self.paused_at: float | None = None
        self.running = True

    def _now(self) -> float:
        return (self.paused_at or time.monotonic()) - self.started

    def poll(self, timeout: float) -> MicroExpression | None:
        if self.noise:
            os.write(2, b"E0000 NOISE from a native library\n" * 3)
        if self.fail and self.delivered:
            raise RuntimeError("the recognition worker died")
        number = len(self.delivered)
        onset = 1.2 * number + 0.1
        wait = onset + 0.5 - self._now()
        if self.paused_at is not None or wait > timeout:
            time.sleep(timeout)
            return None
        time.sleep(max(wait, 0.0))
        event = make_event(onset, *EVENTS[number % len(EVENTS)])
        self.delivered.append(event)
        if len(self.delivered) == self.count:
            self.running = False
        return event

    def status(self) -> Status:
        now = self._now()
        onsets = [event.onset for event in self.delivered]
        return make_status(
            source="camera 0 (HD Webcam)",
            time=now,
            progress=None,
            frames=round(now * FPS),
            curve=motion(now, onsets),
            state="watching" if now % 20 < 12 else "no face",
            paused=self.paused_at is not None,
        )

    def pause(self) -> None:
        self.paused_at = time.monotonic()

    def resume(self) -> None:
        self.started += time.monotonic() - (self.paused_at or 0.0)
        self.paused_at = None

    def stop(self, why: str = "stopped") -> None:
        self.running = False


def keep_mark(moment: float) -> bool:
    """As a session folder would."""
    with open("marks", "a") as file:
        file.write(f"{moment:.3f}\n")
    return True


def main() -> None:
    """Run the overlay, or the line output, on the scripted session."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int)
    parser.add_argument("--log", type=Path)
    for flag in ("--lines", "--json", "--noise", "--fail", "--ascii"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    session = ScriptedSession(options.events, options.fail, options.noise)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(EventLog(options.log)) if options.log else None
        on_event = log.write if log else lambda event: None
        if options.lines or options.json:
            from stream.outputs.lines import run_lines

            run_lines(session, options.json, on_event)
            return
        from stream.outputs.sound import Sound
        from stream.overlay import Reach, run_overlay, summarise

        onlooker = Onlooker()
        onlooker.rejection(make_rejection(0.5, "head motion"))
        reach = Reach(onlooker, keep_mark, Sound())
        run_overlay(session, on_event, reach, options.ascii)
        Console().print(summarise(session.status(), session.delivered))


if __name__ == "__main__":
    main()
