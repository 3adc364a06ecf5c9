"""The report's events: a card each, with images, curve, probabilities and action units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from stream.event import Expression, MicroExpression
from stream.labels import look_of
from stream.records.motion_file import Motion
from stream.records.recorded_session import RecordedSession
from stream.wording import clock

_CAPTIONS = {
    "onset": "onset",
    "apex": "apex<span class='screen'> – point here to compare</span>",
    "flow": "motion between them",
    "attention": "where the network attends",
    "puzzle": "brows and mouth, onset | apex",
}


def events(session: RecordedSession, pictures: Sequence[dict[str, str] | None]) -> str:
    if not session.events:
        return "<section><h2>Events</h2><p>No micro-expression was found.</p></section>"
    shown = any(pictures)
    hint = (
        "<p class='hint'>Motion: <i class='dot' style='background:#0072b2'></i> up "
        "<i class='dot' style='background:#d55e00'></i> down "
        "<i class='dot' style='background:#cc79a7'></i> to the image's left "
        "<i class='dot' style='background:#009e73'></i> to its right; the stronger the colour, the further."
        " Attention: the network's own, dark blue least, yellow most.</p>"
        if shown
        else "<p class='hint'>No images: they were left out, or faces were not saved (--save-faces) and the "
        "recording was not found (--video).</p>"
    )
    cards = "".join(
        _card(number, event, images, session.motion)
        for number, (event, images) in enumerate(zip(session.events, pictures, strict=True), start=1)
    )
    return f"<section><h2>Events</h2>{hint}<div class='cards'>{cards}</div></section>"


def _card(number: int, event: Expression, images: dict[str, str] | None, motion: Motion | None) -> str:
    look, movement = look_of(event.name), event.candidate
    figures = "".join(
        f"<figure class='{name}'><img alt='{name}' src='{images[name]}'><figcaption>{caption}</figcaption>"
        "</figure>"
        for name, caption in _CAPTIONS.items()
        if images and name in images
    )
    delay = 1000 * (movement.decided - movement.apex)
    facts = [
        ("onset", f"{event.onset:.3f} s", f"frame {movement.onset_frame}"),
        ("apex", f"{event.apex:.3f} s", f"frame {movement.apex_frame}"),
        ("offset", f"{event.offset:.3f} s", f"frame {movement.offset_frame}"),
        (
            "duration",
            f"{1000 * movement.duration:.0f} ms",
            f"rise {1000 * (event.apex - event.onset):.0f} ms",
        ),
        ("moved most", escape(movement.region), f"{_number(movement.peak)} px"),
        ("over threshold", f"{_number(movement.score)} ×", f"decided {delay:+.0f} ms"),
    ]
    if isinstance(event, MicroExpression) and event.compared != movement.onset_and_apex:
        onset, apex = event.compared
        facts.append(("compared", f"{onset} and {apex}", "frames"))
    rows = "".join(f"<tr><th>{a}</th><td>{b}</td><td class='quiet'>{c}</td></tr>" for a, b, c in facts)
    share = event.recognition.share if isinstance(event, MicroExpression) else ""
    return f"""<article class="card" id="event-{number}" style="--label:{look.colour}">
<h3><span class="sign">{look.symbol}</span> {escape(event.name)}
<span class="sure">{escape(share)}</span>
<button type="button" class="find" data-event="{number - 1}"
 title="Show in the timeline">{clock(event.onset)}</button></h3>
<div class="pictures">{figures}</div>
<div class="columns">{_shares(event)}{_spark(event, motion)}
<table class="facts">{rows}</table></div>
{_units(event)}
</article>"""


def _shares(event: Expression) -> str:
    """One bar per class; a macro-expression has none."""
    if not isinstance(event, MicroExpression):
        return "<p class='hint'>Too long for a micro-expression: spotted, not labelled.</p>"
    bars = "".join(
        f"<tr><th>{escape(name)}</th><td><span class='share' style='--label:{look_of(name).colour};"
        f"--share:{100 * share:.1f}%'></span></td><td class='number'>{100 * share:.0f} %</td></tr>"
        for name, share in event.probabilities.items()
    )
    return f"<table class='shares'>{bars}</table>"


def _units(event: Expression) -> str:
    """One row per active unit: its probability, how far it moved, and whether it supports the label."""
    if not isinstance(event, MicroExpression) or not event.recognition.at_work:
        return ""
    found = event.recognition
    rows = "".join(
        f"<tr><th>{escape(unit.facs)}</th><td>{escape(unit.in_words)}</td>"
        f"<td class='number'>{100 * unit.p:.0f} %</td><td class='number'>{_number(unit.px)} px</td>"
        f"<td class='quiet'>{f'for {escape(found.nearest)}' if unit in found.speaking else ''}</td></tr>"
        for unit in found.at_work
    )
    caption = "<caption>action units, the person's left and right</caption>"
    return f"<table class='facts units'>{caption}{rows}</table>"


def _spark(event: Expression, motion: Motion | None) -> str:
    """The motion curve around one event, 200×70, with onset, apex and offset."""
    if motion is None or not len(motion):
        return ""
    start, end = event.onset - 0.35, event.offset + 0.35
    first, last = np.searchsorted(motion.time, (start, end))
    if last - first < 2:
        return ""
    width, height = 200.0, 70.0
    drawn = np.concatenate([motion.signal[first:last], motion.threshold[first:last]])
    top = 1.1 * max(float(drawn[np.isfinite(drawn)].max(initial=0.1)), 0.1)

    def x(time: float) -> float:
        return float(width * (time - start) / (end - start))

    def path(values: Any) -> str:
        points = zip(motion.time[first:last], values[first:last], strict=True)
        known = [(t, v) for t, v in points if math.isfinite(v)]
        return "M" + "L".join(f"{x(t):.1f} {height * (1 - v / top):.1f}" for t, v in known) if known else ""

    lines = "".join(
        f"<line x1='{x(t):.1f}' x2='{x(t):.1f}' y1='0' y2='{height:g}' class='{name}'/>"
        for name, t in (("edge", event.onset), ("apex", event.apex), ("edge", event.offset))
    )
    return (
        f"<svg class='spark' viewBox='0 0 {width:g} {height:g}' role='img' aria-label='motion'>"
        f"<rect x='{x(event.onset):.1f}' width='{x(event.offset) - x(event.onset):.1f}' y='0' "
        f"height='{height:g}'/>{lines}<path class='threshold' d='{path(motion.threshold)}'/>"
        f"<path class='signal' d='{path(motion.signal)}'/></svg>"
    )


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"
