"""The report's HTML: words and tables here, styles in ``report.css``, the timeline's code in
``report.js``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from recognizer.recognition import CLASSES
from stream.event import MACRO
from stream.labels import LOOKS, look_of
from stream.pipeline.seen import Seen
from stream.records.recorded_session import RecordedSession
from stream.records.report.cards import events
from stream.records.report.quality import quality
from stream.records.report.reviews import reviews
from stream.wording import clock, counted

_HERE = Path(__file__).parent


def page(
    session: RecordedSession, pictures: Sequence[dict[str, str] | None], timeline: dict[str, Any]
) -> str:
    """The whole page. The content security policy forbids every request, so it cannot contact anyone."""
    data = json.dumps(timeline, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="atme-live">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{escape(session.name)} – micro-expressions</title>
<style>{(_HERE / "report.css").read_text(encoding="utf-8")}</style>
</head>
<body>
<main>
{_header(session)}
{_summary(session)}
{_timeline(session)}
{events(session, pictures)}
{reviews(session)}
{quality(session)}
</main>
<script type="application/json" id="data">{data}</script>
<script>{(_HERE / "report.js").read_text(encoding="utf-8")}</script>
</body>
</html>
"""


def _header(session: RecordedSession) -> str:
    about = session.about or {}
    source = about.get("source") or {}
    facts = [_date(about.get("started")), f"{clock(session.duration)} long"]
    if source:
        rate = f" at {source['nominal_fps']:.4g} fps" if source.get("nominal_fps") else ""
        facts.append(f"{source.get('width')} × {source.get('height')}{rate}")
        facts.append("live" if source.get("live") else "recording")
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in session.notes)
    title = source.get("name") or session.name
    return f"""<header>
<p class="kicker">atme-live session report</p>
<h1>{escape(str(title))}</h1>
<p class="facts">{" · ".join(escape(fact) for fact in facts if fact)}</p>
{notes}
</header>"""


def _summary(session: RecordedSession) -> str:
    found = Counter(event.label for event in session.micros)
    names = [*CLASSES, *(name for name in found if name not in CLASSES)]
    macros = len(session.macros)
    if macros:
        names, found = [*names, MACRO], found + Counter({MACRO: macros})
    tiles = "".join(
        f"<div class='tile' style='--label:{look_of(name).colour}'><b>{found[name]}</b>"
        f"<span><i class='sign'>{look_of(name).symbol}</i> {escape(name)}</span></div>"
        for name in names
    )
    minutes = session.duration / 60
    count = len(session.micros)
    words = f"{count} micro-expression{'' if count == 1 else 's'}"
    pace = f", {count / minutes:.1f} a minute" if count and minutes >= 1 else ""
    lasted = ""
    if count:
        times = [1000 * event.candidate.duration for event in session.micros]
        spread = f"{min(times):.0f}–{max(times):.0f} ms (median {np.median(times):.0f} ms)"
        lasted = f" They lasted {spread}."
        if count == 1:
            lasted = f" It lasted {times[0]:.0f} ms."
    if macros:
        lasted += f" Longer, and so without a label: {counted(macros, MACRO)}."
    return f"""<section aria-label="Summary">
<p class="lead"><b>{words}</b> in {clock(session.duration)}{pace}.{lasted} {_rejected(session)}</p> <div
class="tiles">{tiles}</div> {_seen(session)} <p class="caution">A label is the program's estimate.
It does not measure what a person feels: check each event against the video before you rely on it.</p>
</section>"""


def _seen(session: RecordedSession) -> str:
    """How well the face could be observed; as a prominent note where that is bad."""
    seen = Seen.read(session.about)
    if seen is None:
        return ""
    parts = "; ".join(
        f"<b>{escape(one.words)}</b>" if one.bad else escape(one.words) for one in seen.remarks()
    )
    return f"<p class='{'note' if seen.bad else 'seen'}'>Seen: {parts}.</p>"


def _rejected(session: RecordedSession) -> str:
    reasons = Counter(r.reason for r in session.rejections)
    if not reasons:
        return ""
    total = sum(reasons.values())
    often = ", ".join(f"{escape(reason)} {n}" for reason, n in reasons.most_common(3))
    more = ", …" if len(reasons) > 3 else ""
    return f"{total} other movement{' was' if total == 1 else 's were'} rejected ({often}{more})."


def _timeline(session: RecordedSession) -> str:
    if session.motion is None or not len(session.motion):
        hint = "<p class='hint'>No motion curve: an event log alone does not contain it.</p>"
    else:
        hint = ""
    keys = "".join(
        f"<span class='key'><i class='sign' style='color:{look.colour}'>{look.symbol}</i> {name}</span>"
        for name, look in [*LOOKS.items(), (MACRO, look_of(MACRO))]
        if name in CLASSES or any(event.name == name for event in session.events)
    )
    return f"""<section class="wide" aria-label="Timeline">
<div class="bar"><h2>Timeline</h2>
<div class="buttons" role="group" aria-label="Zoom">
<button type="button" data-do="before" title="Event before (P)">← event</button>
<button type="button" data-do="after" title="Next event (N)">event →</button>
<button type="button" data-do="out" title="Show more (−)" aria-label="Zoom out">−</button>
<button type="button" data-do="in" title="Show less (+)" aria-label="Zoom in">+</button>
<button type="button" data-do="all" title="Show all (0)">all</button>
</div></div>
{hint}
<div id="timeline" tabindex="0" role="img"
 aria-label="Motion of the face over time with the events; the same events are listed below"></div>
<div id="overview" aria-hidden="true"></div>
<p class="keys"><span class="key"><i class="line"></i> motion of the face</span>
<span class="key"><i class="line dashed"></i> threshold</span>{keys}
<span class="key"><i class="box"></i> rejected</span>
<span class="key"><i class="box hatched"></i> no face, or no frames</span></p>
<p class="hint screen">Drag to move, Ctrl + wheel or pinch to zoom, click the time of an event below to find
it here. Motion in pixels of a face 256 px wide.</p>
<noscript><p class="note">The timeline needs JavaScript; the events below do not.</p></noscript>
</section>"""


def _date(text: object) -> str:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return ""
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
