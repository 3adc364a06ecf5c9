"""What the pictures of the README share: the demo clip, a session of it, the browser, the file."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import cv2

from recognizer.errors import AtmeError
from stream import Session
from stream.records.folder import SessionFolder
from stream.settings import Settings
from training.rendering.clip import render_demo

ROOT = Path(__file__).resolve().parents[1]
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def demo_clip() -> Path:
    """The demo clip, rendered where it is not there yet."""
    clip = ROOT / ".demo" / "demo.mp4"
    if not clip.is_file():
        render_demo(clip)
    return clip


def demo_session(path: Path, settings: Settings | None = None, save_faces: bool = False) -> Path:
    """A replay of the demo clip, kept in the folder ``path``."""
    clip = demo_clip()
    with SessionFolder(path, save_faces=save_faces) as folder, Session.replay(clip, settings) as session:
        folder.begin(session, clip)
        session.observer = folder
        for _ in session:
            pass
    return path


def browser() -> str:
    """A Chromium; AtmeError where there is none."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        raise AtmeError(
            "not-installed", f"{sys.argv[0]}: needs a browser; install one of {', '.join(_BROWSERS)}"
        )
    return found


def target(name: str) -> Path:
    """Where the picture goes: the first word of the command, or docs/NAME."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / name


def write_small(shot: Path, path: Path) -> None:
    """A screenshot (.png) as small as PNG makes it."""
    cv2.imwrite(str(path), cv2.imread(str(shot)), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(path)
