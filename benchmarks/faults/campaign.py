"""Runs the cases: each a file damaged by the seed, read in a forked child, and its ending classified."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.forked import Child, Ending, fork
from benchmarks.faults.kinds import ANSWER, FOLDERS, Kind, mutation
from benchmarks.faults.outcome import GOOD, outcome

NATIVE = ("W0000", "I0000", "E0000", "WARNING: All log messages", "INFO: Created TensorFlow")
"""Beginnings of lines that libraries print, not the program."""


@dataclass(frozen=True)
class Result:
    """One case and how it ended."""

    kind: str
    case: str
    """What was damaged, and its number, repeatable with the same seed."""
    outcome: str
    seconds: float
    said: str
    """The last line on stderr."""


@dataclass(frozen=True)
class _Case:
    kind: Kind
    name: str
    file: Path
    place: Path
    child: Child


def run_cases(
    kinds: Sequence[tuple[Kind, int]], originals: Path, work: Path, seed: int, jobs: int
) -> Iterator[Result]:
    """Yields one result per case, as they end. The undamaged originals come first and must be readable.

    ``kinds``: each with its number of cases; ``work``: an empty folder, in which failed cases are kept.
    """
    sound: dict[str, Any] = {}
    for cases in (_undamaged(kinds, originals, work), _damaged(kinds, originals, work, seed)):
        for case, ending in _ended(cases, jobs):
            yield _result(case, ending, sound)


def _ended(cases: Iterator[_Case], jobs: int) -> Iterator[tuple[_Case, Ending]]:
    """Starts ``jobs`` cases at a time."""
    running: list[_Case] = []
    more = True
    while more or running:
        while more and len(running) < jobs:
            case = next(cases, None)
            more = case is not None
            running += [case] if case else []
        for case in list(running):
            ending = case.child.ended()
            if ending is not None:
                running.remove(case)
                yield case, ending
        time.sleep(0.005)


def _undamaged(kinds: Sequence[tuple[Kind, int]], originals: Path, work: Path) -> Iterator[_Case]:
    for kind, _ in kinds:
        root, files = _files(kind, originals)
        for file in files if kind.exact or kind.frames else files[:1]:
            yield _start(kind, root, file, work, None, 0)


def _damaged(kinds: Sequence[tuple[Kind, int]], originals: Path, work: Path, seed: int) -> Iterator[_Case]:
    for kind, count in kinds:
        root, files = _files(kind, originals)
        for number in range(count):
            rng = random.Random(f"{seed}/{kind.name}/{number}")
            yield _start(kind, root, rng.choice(files), work, rng, number)


def _files(kind: Kind, originals: Path) -> tuple[Path, list[Path]]:
    root = originals / FOLDERS.get(kind.name, kind.name)
    return root, sorted(path.relative_to(root) for path in root.glob(kind.files) if path.is_file())


def _start(kind: Kind, root: Path, file: Path, work: Path, rng: random.Random | None, number: int) -> _Case:
    name = f"{file.as_posix()} #{number}" if rng else f"{file.as_posix()} sound"
    place = work / f"{kind.name}-{name.replace('/', '-').replace(' ', '-')}"
    folder = place / "input"
    shutil.copytree(root, folder)
    if rng:
        (folder / file).write_bytes(mutation(file.name)(rng, (root / file).read_bytes()))
    drawn = random.Random(number)
    return _Case(kind, name, file, place, fork(lambda: kind.read(folder, folder / file, drawn), place))


def _result(case: _Case, ending: Ending, sound: dict[str, Any]) -> Result:
    found = outcome(ending)
    answer = _answer(case)
    key = f"{case.kind.name}/{case.file}"
    lines = [line for line in ending.stderr.splitlines() if line.strip() and not line.startswith(NATIVE)]
    if case.name.endswith("sound"):
        sound[key] = answer
    elif found == "ok" and not lines and _differs(case.kind, answer, sound.get(key)):
        found = "wrong-and-silent"
    if found in GOOD:
        shutil.rmtree(case.place)
    return Result(case.kind.name, case.name, found, ending.seconds, lines[-1][:200] if lines else "")


def _answer(case: _Case) -> Any:
    """What was read: a digest or, for a video, the number of frames."""
    about = case.place / "out" / "session.json"
    if case.kind.frames and about.is_file():
        return json.loads(about.read_text(encoding="utf-8")).get("frames")
    file = case.place / ANSWER
    return json.loads(file.read_text()) if file.is_file() else None


def _differs(kind: Kind, answer: Any, sound: Any) -> bool:
    if kind.frames:
        return answer is None or answer < sound
    return kind.exact and answer != sound
