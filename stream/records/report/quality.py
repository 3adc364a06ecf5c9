"""The report's section on quality: frames, rate, gaps, delays, settings, and what was rejected."""

from __future__ import annotations

import json
import math
from collections import Counter
from html import escape
from typing import Any

import numpy as np

from stream.records.about_session import percentiles
from stream.records.motion_file import Motion
from stream.records.recorded_session import RecordedSession
from stream.wording import clock


def quality(session: RecordedSession) -> str:
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
    """Gaps and marks, the first few with their times."""
    away = sum(gap.end - gap.start for gap in session.gaps)
    gaps = [f"{clock(gap.start)} for {gap.end - gap.start:.1f} s ({gap.reason})" for gap in session.gaps]
    marks = [f"{clock(mark.time)} {mark.text}".strip() for mark in session.marks]
    return [
        (
            "gaps",
            f"{_times(len(gaps))}, {away:.1f} s in all: {_some(gaps)}" if gaps else "none longer than 0.5 s",
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
        return "<div><h3>Rejected</h3><p>No movement was rejected.</p></div>"
    most = max(reasons.values())
    rows = "".join(
        f"<tr><th>{escape(reason)}</th><td><span class='share' style='--label:var(--quiet);"
        f"--share:{100 * count / most:.1f}%'></span></td><td class='number'>{count}</td></tr>"
        for reason, count in reasons.most_common()
    )
    return f"<div><h3>Rejected</h3><table class='shares'>{rows}</table></div>"
