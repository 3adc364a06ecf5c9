"""The report's HTML: words and tables here, looks in ``report.css``, the timeline's life in ``report.js``."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from recognizer.recognition import CLASSES
from stream.event import MACRO, Expression, MicroExpression
from stream.labels import LOOKS, look_of
from stream.pipeline.seen import Seen
from stream.records.about_session import percentiles
from stream.records.motion_file import Motion
from stream.records.recorded_session import RecordedSession
from stream.records.report.reviews import reviews
from stream.wording import clock, counted

_HERE = Path(__file__).parent
_CAPTIONS = {
    "onset": "onset",
    "apex": "apex<span class='screen'> – point here to compare</span>",
    "flow": "motion between them",
    "attention": "where the network looked",
    "puzzle": "brows and mouth, onset | apex",
}


def page(
    session: RecordedSession, pictures: Sequence[dict[str, str] | None], timeline: dict[str, Any]
) -> str:
    """The whole page. The content security policy forbids every request, so it cannot phone anywhere."""
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
{_events(session, pictures)}
{reviews(session)}
{_quality(session)}
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
<p class="lead"><b>{words}</b> in {clock(session.duration)}{pace}.{lasted} {_turned_away(session)}</p>
<div class="tiles">{tiles}</div>
{_seen(session)}
<p class="caution">A label names how the movement looks to the program. It is no measure of what a person
feels: check each event against the video before you build on it.</p>
</section>"""


def _seen(session: RecordedSession) -> str:
    """What could be seen; where that is bad, as a note that cannot be overlooked."""
    seen = Seen.read(session.about)
    if seen is None:
        return ""
    parts = "; ".join(
        f"<b>{escape(one.words)}</b>" if one.bad else escape(one.words) for one in seen.remarks()
    )
    return f"<p class='{'note' if seen.bad else 'seen'}'>Seen: {parts}.</p>"


def _turned_away(session: RecordedSession) -> str:
    reasons = Counter(r.reason for r in session.rejections)
    if not reasons:
        return ""
    total = sum(reasons.values())
    often = ", ".join(f"{escape(reason)} {n}" for reason, n in reasons.most_common(3))
    more = ", …" if len(reasons) > 3 else ""
    return f"{total} other movement{' was' if total == 1 else 's were'} turned away ({often}{more})."


def _timeline(session: RecordedSession) -> str:
    if session.motion is None or not len(session.motion):
        hint = "<p class='hint'>Without a motion curve: events.jsonl alone does not hold it.</p>"
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
<span class="key"><i class="box"></i> turned away</span>
<span class="key"><i class="box hatched"></i> no face, or nothing seen</span></p>
<p class="hint screen">Drag to move, Ctrl + wheel or pinch to zoom, click the time of an event below to find
it here. Motion in pixels of a face 256 px wide.</p>
<noscript><p class="note">The timeline needs JavaScript; the events below do not.</p></noscript>
</section>"""


def _events(session: RecordedSession, pictures: Sequence[dict[str, str] | None]) -> str:
    if not session.events:
        return "<section><h2>Events</h2><p>No micro-expression was found.</p></section>"
    shown = any(pictures)
    hint = (
        "<p class='hint'>Motion: <i class='dot' style='background:#0072b2'></i> up "
        "<i class='dot' style='background:#d55e00'></i> down "
        "<i class='dot' style='background:#cc79a7'></i> to the picture's left "
        "<i class='dot' style='background:#009e73'></i> to its right; the stronger the colour, the further."
        " Attention: the network's own, dark blue least, yellow most.</p>"
        if shown
        else "<p class='hint'>No pictures: left out, or faces were not saved (--save-faces) and the "
        "recording is not at hand (--video).</p>"
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
    """A bar a class; a macro-expression has none."""
    if not isinstance(event, MicroExpression):
        return "<p class='hint'>Too long for a micro-expression: spotted, not labelled.</p>"
    bars = "".join(
        f"<tr><th>{escape(name)}</th><td><span class='share' style='--label:{look_of(name).colour};"
        f"--share:{100 * share:.1f}%'></span></td><td class='number'>{100 * share:.0f} %</td></tr>"
        for name, share in event.probabilities.items()
    )
    return f"<table class='shares'>{bars}</table>"


def _units(event: Expression) -> str:
    """A row an action unit at work: how sure, how far, and whether it speaks for the label."""
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


def _quality(session: RecordedSession) -> str:
    about = session.about or {}
    rows = [*_frame_rows(session.motion, about), *_moment_rows(session), *_time_rows(session, about)]
    weights = about.get("weights") or {}
    if weights.get("sha256"):
        rows.append(("weights", f"{weights.get('file')}, SHA-256 {weights['sha256'][:16]}…"))
    if about.get("versions"):
        rows.append(("versions", ", ".join(f"{k} {v}" for k, v in about["versions"].items())))
    table = "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in rows)
    warnings = "".join(f"<p class='note'>{escape(str(w))}</p>" for w in about.get("warnings") or ())
    settings = ""
    if about.get("settings"):
        text = escape(json.dumps(about["settings"], indent=2, ensure_ascii=False))
        settings = f"<details><summary>All settings</summary><pre>{text}</pre></details>"
    return f"""<section><h2>Quality</h2>{warnings}
<div class="halves"><table class="facts">{table}</table>{_reasons(session, about)}</div>
{settings}</section>"""


def _frame_rows(motion: Motion | None, about: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    frames, dropped = about.get("frames"), about.get("frames_dropped")
    if frames is None and motion is not None:
        frames = len(motion)
    if frames is not None:
        lost = "drops not known" if dropped is None else f"{dropped} dropped"
        rows.append(("frames", f"{frames} processed, {lost}"))
    if motion is not None and len(motion) > 1 and motion.time[-1] > motion.time[0]:
        steps = np.diff(motion.time)
        middle, late = np.percentile(steps, (50, 95))
        worst = int(steps.argmax())
        rows.append(("rate", f"{(len(motion) - 1) / (motion.time[-1] - motion.time[0]):.1f} fps"))
        rows.append(("between frames", f"median {1000 * middle:.1f} ms, 95 % under {1000 * late:.1f} ms"))
        rows.append(("longest gap", f"{1000 * steps[worst]:.0f} ms, at {clock(float(motion.time[worst]))}"))
        rows.append(("face found", f"in {100 * motion.face.mean():.1f} % of the frames"))
    return rows


def _moment_rows(session: RecordedSession) -> list[tuple[str, str]]:
    """Gaps and marks, the first of them with their times."""
    away = sum(gap.end - gap.start for gap in session.gaps)
    gaps = [f"{clock(gap.start)} for {gap.end - gap.start:.1f} s ({gap.reason})" for gap in session.gaps]
    marks = [f"{clock(mark.time)} {mark.text}".strip() for mark in session.marks]
    return [
        (
            "nothing seen",
            f"{_times(len(gaps))}, {away:.1f} s in all: {_some(gaps)}"
            if gaps
            else "never for longer than 0.5 s",
        ),
        ("marks", f"{len(marks)}: {_some(marks)}" if marks else "none"),
    ]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _some(items: list[str], most: int = 8) -> str:
    return "; ".join(items[:most]) + (f"; and {len(items) - most} more" if len(items) > most else "")


def _time_rows(session: RecordedSession, about: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    known = [event.latency_ms for event in session.micros if math.isfinite(event.latency_ms)]
    latency = about.get("latency_ms") or percentiles(known)
    if latency:
        parts = ", ".join(f"{name} {value:.0f} ms" for name, value in latency.items())
        rows.append(("frame to label", parts))
    if about.get("provider"):
        rows.append(("network ran on", str(about["provider"])))
    if about.get("end") and about["end"] != "finished":
        rows.append(("session", str(about["end"])))
    video = about.get("video")
    if video:
        rows.append(
            (
                "video",
                f"{video.get('file')}: {video.get('frames')} frames, {video.get('frames_dropped')} left out",
            )
        )
    return rows


def _reasons(session: RecordedSession, about: dict[str, Any]) -> str:
    reasons = Counter(about.get("rejected") or Counter(r.reason for r in session.rejections))
    if not reasons:
        return "<div><h3>Turned away</h3><p>No movement was turned away.</p></div>"
    most = max(reasons.values())
    rows = "".join(
        f"<tr><th>{escape(reason)}</th><td><span class='share' style='--label:var(--quiet);"
        f"--share:{100 * count / most:.1f}%'></span></td><td class='number'>{count}</td></tr>"
        for reason, count in reasons.most_common()
    )
    return f"<div><h3>Turned away</h3><table class='shares'>{rows}</table></div>"


def _date(text: object) -> str:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return ""
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"
