"""The frames of every accepted micro-expression as image files, from which training reads.

Training imports nothing from the live program; it starts this module as a process of its own:
``SESSION OUT``, with ``--no-pictures`` where it needs only the decisions and the recording's place.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2

from recognizer.console.command_line import run
from recognizer.errors import AtmeError
from recognizer.files.write import write_file
from spotting.reviews.decision import Decision
from spotting.reviews.file import coders_of, review_path
from spotting.reviews.unit_text import write_coded
from stream.records.about_session import sha256_of
from stream.records.recorded_session import RecordedSession, read_session
from stream.records.reviewed import CONSENSUS, decisions_of, named_movements
from stream.review.video.clips import ClipReader
from stream.review.video.find import find_video, open_reader
from stream.review.video.recording import VideoReader, nearest_frame

INDEX = "movements.json"
"""Written last: a folder without it is not finished."""
_FORMAT = 2


def write_pictures(path: Path, out: Path, *, pictures: bool = True) -> Path:
    """Writes ``out``/ID/NUMBER.png for each and ``INDEX``, which is returned; does nothing where they exist
    and the reviews are unchanged. AtmeError where the recording is not available or ``out`` is not ours."""
    session = read_session(path)
    decisions = decisions_of(session, CONSENSUS)
    key = {
        "format": _FORMAT,
        "pictures": pictures,
        "reviews": {coder: sha256_of(review_path(path, coder)) for coder in coders_of(path)},
        "recording": ((session.about or {}).get("source") or {}).get("fingerprint"),
    }
    index = out / INDEX
    if _read(index).get("key") == key:
        return index
    place = find_video(session)
    reader = open_reader(place, session)
    _clear(out)
    entries = []
    with closing(reader):
        for decision in decisions.values():
            if decision.verdict == "yes":
                frames = _frames(reader, decision, out / decision.movement) if pictures else {}
                entries.append({**_told(decision), **frames})
    about = {
        "key": key,
        "video": str((place.path or path).resolve()),
        "plain_clock": place.pace == 1.0 and not place.clock.get("fps") and not place.clips,
        "movements": entries,
        "undecided": sum(one.id not in decisions for one in named_movements(session)),
        "unsure": sum(one.verdict == "unsure" for one in decisions.values()),
        "fps": _rate(session),
    }
    write_file(index, json.dumps(about, ensure_ascii=False, indent=1).encode(), private=True)
    return index


def _frames(reader: VideoReader | ClipReader, decision: Decision, folder: Path) -> dict[str, Any]:
    frames = list(reader.frames(decision.onset - 0.2, decision.offset + 0.2))
    places = [nearest_frame(frames, time) for time in (decision.onset, decision.apex, decision.offset)]
    folder.mkdir(mode=0o700)
    for frame in frames[places[0] : places[2] + 1]:
        data = cv2.imencode(".png", frame.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
        write_file(folder / f"{frame.index:07d}.png", data, private=True)
    names = ("onset_frame", "apex_frame", "offset_frame")
    return {name: frames[k].index for name, k in zip(names, places, strict=True)}


def _told(decision: Decision) -> dict[str, Any]:
    return {
        "id": decision.movement,
        "onset": decision.onset,
        "apex": decision.apex,
        "offset": decision.offset,
        "label": decision.label,
        "units": write_coded(decision.units),
    }


def _rate(session: RecordedSession) -> float:
    motion = session.motion
    if motion is not None and len(motion) > 1 and motion.time[-1] > motion.time[0]:
        return round(float((len(motion) - 1) / (motion.time[-1] - motion.time[0])), 3)
    return float(((session.about or {}).get("source") or {}).get("nominal_fps") or 30.0)


def _read(index: Path) -> dict[str, Any]:
    try:
        found = json.loads(index.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _clear(out: Path) -> None:
    """Creates the folder anew; only one made by this module is removed."""
    if os.path.lexists(out):
        ours = out.is_dir() and not out.is_symlink()
        if ours and any(out.iterdir()) and not (out / ".atme").is_file():
            ours = False
        if not ours:
            raise AtmeError("exists", f"{out}: not a folder of this program's images; move it away")
        shutil.rmtree(out)
    out.mkdir(mode=0o700, parents=True)
    (out / ".atme").touch()


def main() -> None:
    """``SESSION OUT [--no-pictures]``."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    pictures = "--no-pictures" not in sys.argv
    run(lambda: print(write_pictures(Path(words[0]), Path(words[1]), pictures=pictures)), "atme")


if __name__ == "__main__":
    main()
