"""``--lsl``: events as markers of the Lab Streaming Layer, on one clock with EEG and eye tracking.

The stream is called ``atme-live``, type ``Markers``, one string channel, irregular rate. Each event gives
three markers, ``negative onset``, ``negative apex`` and ``negative offset`` (or ``positive …``, ``surprise
…``, ``uncertain …``), the user's marks give ``mark`` (or their text), a gap ``gap start`` and ``gap end``.

Macro-expressions have no label and are not sent.

Each marker carries the time of the event, not of its sending, which is 0.1 to 0.5 s later. A frame's time t
on the source's clock is ``origin + t`` on the machine's monotonic clock; how long ago that was is subtracted
from ``pylsl.local_clock()``. A frame of a network stream is timed by the stream's own clock, tied to arrival,
and one of a camera by its driver, or by the moment of its delivery: earlier delays in camera and cable are
unknown.

Kothe et al., The Lab Streaming Layer for synchronized multimodal recording, doi 10.1101/2024.02.13.580071.
"""

from __future__ import annotations

import platform
import time
from typing import Any

from recognizer.errors import AtmeError
from recognizer.feature import PairFeatures
from stream.event import SCHEMA, Expression, MicroExpression
from stream.frame import Frame
from stream.observer import Observer
from stream.pipeline.gap import Gap
from stream.records.about_session import Observed
from stream.sources import FrameSource

NAME = "atme-live"


class Markers(Observer):
    """An observer that sends markers; call ``begin`` before the first frame."""

    def __init__(self) -> None:
        """AtmeError without pylsl or its native library."""
        try:
            import pylsl
        except ImportError:
            raise AtmeError(
                "not-installed", "--lsl: the pylsl package is missing; pip install 'atme-live[lsl]'"
            ) from None
        except (RuntimeError, OSError):
            raise AtmeError(
                "not-installed", "--lsl: pylsl finds no liblsl on this machine; install liblsl 1.16 or later"
            ) from None
        self._pylsl: Any = pylsl
        self._outlet: Any = None
        self._source: FrameSource | None = None
        self.warnings: list[str] = []

    def begin(self, session: Observed) -> None:
        """Announces the stream, so that recorders find it before the first event. Live sources only."""
        self._source = source = session.source
        if not source.live:
            raise AtmeError(
                "invalid", "--lsl needs a live source: no other device shares the clock of a recording"
            )
        lsl = self._pylsl
        # The same identity after a restart, so that recorders resume the stream.
        identity = f"{NAME} {platform.node()} {source.name}"
        info = lsl.StreamInfo(NAME, "Markers", 1, lsl.IRREGULAR_RATE, lsl.cf_string, identity)
        info.desc().append_child_value("source", source.name)
        info.desc().append_child_value("schema", str(SCHEMA))
        self._outlet = lsl.StreamOutlet(info)

    def event(
        self, event: Expression, onset: Frame | None, apex: Frame | None, features: PairFeatures | None
    ) -> None:
        """The three moments of a micro-expression. Macro-expressions have no label, so they get no
        markers."""
        if not isinstance(event, MicroExpression):
            return
        for name in ("onset", "apex", "offset"):
            self._send(f"{event.label} {name}", getattr(event, name))
        if event.facs:
            self._send(event.facs, event.apex)

    def gap(self, gap: Gap) -> None:
        """The start and end of a stretch without frames."""
        self._send("gap start", gap.start)
        self._send("gap end", gap.end)

    def mark(self, moment: float, text: str = "") -> None:
        """A moment that the user marked, seconds on the source's clock."""
        self._send(text or "mark", moment)

    def _send(self, marker: str, moment: float) -> None:
        if self._source is None or self._source.origin is None:  # no frame yet
            return
        age = time.monotonic() - (self._source.origin + moment)
        try:
            self._outlet.push_sample([marker], self._pylsl.local_clock() - age)
        except Exception as error:  # whatever liblsl raises: a marker is no reason to end the session
            if not self.warnings:
                self.warnings.append(f"--lsl: some markers could not be sent ({error}); check liblsl")
