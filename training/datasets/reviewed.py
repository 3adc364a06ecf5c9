"""Your own recordings as coded with ``atme review``: a study's folder of sessions.

What coders agree on counts. The subject is the participant named by the session or ``study.toml``: a session
without one is left out, because a person under two names would leak from training into the test.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recognizer.errors import AtmeError
from recognizer.files.received import MIB, parse, read_received
from recognizer.machine.own_module import own_module
from spotting.reviews.file import coders_of
from spotting.reviews.study import NAME, NOBODY, Study, Who, read_study
from training.datasets.long_video import LoadedVideos, LongVideo, Movement
from training.datasets.reading.disk import check_root, frames_in
from training.datasets.reading.settle import Annotation, settle
from training.datasets.sample import Loaded, Problem, Sample, class_of, finished

DATABASE = "reviewed"
PICTURES = ".reviewed"
"""Folder in the study with the frames of coded movements; it shows faces and is readable by its owner
only."""
_EMOTIONS = {"other": "others"}


def load(root: Path) -> Loaded:
    """The micro-expressions with a class that the reviews under ``root`` hold.

    AtmeError: no root, no reviewed session, or ``study.toml`` cannot be read.
    """
    samples: list[Sample] = []
    problems: list[Problem] = []
    study = read_study(root)
    for session, who, about in _usable(root, study, problems, pictures=True):
        for entry in about["movements"]:
            annotation = _annotation(session.name, who, about, entry)
            if not annotation.emotion:
                problems.append(Problem(annotation.id, "no class was named", repaired=False))
                continue
            folder = root / PICTURES / session.name / str(entry["id"])
            sample, found = settle(annotation, frames_in(folder), folder)
            problems += found
            if sample is not None:
                samples.append(sample)
    return finished(Loaded(tuple(samples), tuple(problems), _notes(study)))


def load_videos(root: Path) -> LoadedVideos:
    """The recordings with the micro-expressions in them, for measuring the spotter; errors as ``load``."""
    videos: list[LongVideo] = []
    problems: list[Problem] = []
    notes: list[str] = []
    study = read_study(root)
    for session, who, about in _usable(root, study, problems, pictures=False):
        if not about["plain_clock"]:
            what = "its times are not the recording's own (--fps, --slow-motion)"
            problems.append(Problem(f"{DATABASE}/{session.name}", what, repaired=False))
            continue
        if about["undecided"] or about["unsure"]:
            notes.append(
                f"{session.name}: {about['undecided']} movements undecided and {about['unsure']} unsure, "
                "counted as no movement"
            )
        movements = tuple(
            Movement(
                "micro", m["onset"], m["apex"], m["offset"], None if m["label"] == "other" else m["label"]
            )
            for m in sorted(about["movements"], key=lambda m: m["onset"])
        )
        conditions = {"participant": who.participant, "condition": who.condition}
        videos.append(
            LongVideo(session.name, movements, about["fps"], Path(about["video"]), conditions=conditions)
        )
    if not videos:
        raise AtmeError("too-little", f"{root}: no reviewed session can be used{_for_instance(problems)}")
    return LoadedVideos(tuple(videos), tuple(problems), tuple(notes))


def _usable(
    root: Path, study: Study | None, problems: list[Problem], *, pictures: bool
) -> Iterator[tuple[Path, Who, dict[str, Any]]]:
    """The reviewed sessions that can be used, and a problem for each of the others."""
    for session in _reviewed(root):
        who, about = _one(root, session, study, problems, pictures=pictures)
        if about is not None:
            yield session, who, about


def _reviewed(root: Path) -> list[Path]:
    check_root(root)
    sessions = sorted(path.parent for path in root.glob("*/events.jsonl") if not path.parent.is_symlink())
    found = [session for session in sessions if coders_of(session)]
    if not found:
        raise AtmeError(
            "not-found", f"{root}: no reviewed session in it; record into it, then atme review {root}"
        )
    return found


def _one(
    root: Path, session: Path, study: Study | None, problems: list[Problem], *, pictures: bool
) -> tuple[Who, dict[str, Any] | None]:
    """The participant of a session and its coders' decisions; None, with a problem, where it cannot be
    used."""
    name = f"{DATABASE}/{session.name}"
    who = _who(session, study)
    if not who.participant:
        what = "no participant: atme live --participant, or [sessions] in study.toml"
        problems.append(Problem(name, what, repaired=False))
        return who, None
    if study is not None:
        study.check(who)
    out = root / (PICTURES if pictures else f"{PICTURES}-decisions") / session.name
    words = [str(session), str(out), *([] if pictures else ["--no-pictures"])]
    done = subprocess.run(
        own_module("stream.review.pictures", *words), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        problems.append(Problem(name, (lines or ["failed"])[-1].removeprefix("atme: "), repaired=False))
        return who, None
    return who, json.loads((out / "movements.json").read_text(encoding="utf-8"))


def _who(session: Path, study: Study | None) -> Who:
    if study is not None and session.name in study.sessions:
        return study.sessions[session.name]
    try:
        about = parse(read_received(session / "session.json", 4 * MIB))
    except (OSError, ValueError, TypeError):
        return NOBODY
    said = [about.get(key) if isinstance(about, dict) else None for key in ("participant", "condition")]
    return Who(*(text if isinstance(text, str) and NAME.fullmatch(text) else "" for text in said))


def _annotation(session: str, who: Who, about: dict[str, Any], entry: dict[str, Any]) -> Annotation:
    label = str(entry["label"] or "")
    frames = (entry["onset_frame"], entry["apex_frame"], entry["offset_frame"])
    return Annotation(
        DATABASE,
        who.participant,
        f"{session}-{entry['id']}",
        *frames,
        _EMOTIONS.get(label, label),
        entry["units"],
        about["fps"],
    )


def _class(label: str | None) -> str | None:
    return class_of(_EMOTIONS.get(label, label)) if label else None


def _notes(study: Study | None) -> tuple[str, ...]:
    return () if study is not None else ("no study.toml: names of participants are not checked",)


def _for_instance(problems: list[Problem]) -> str:
    return f"; {problems[0].sample}: {problems[0].what}" if problems else ""
