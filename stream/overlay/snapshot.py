"""The ``c`` key: this frame, this face and this screen as files. Nothing is written without the key."""

from __future__ import annotations

import io
import re
from pathlib import Path

import cv2
from rich.console import Console, RenderableType

from recognizer.files.write import write_file
from stream.overlay.onlooker import Onlooker


def save_snapshot(
    folder: Path, seconds: float, onlooker: Onlooker, drawn: RenderableType, width: int, height: int
) -> list[Path]:
    """Writes ``snapshot-SECONDS-frame.png``, ``-face.png`` and ``-screen.svg`` and returns their paths.

    Files of a frame or face that does not exist yet are left out. OSError where a file cannot be written.
    """
    stem = f"snapshot-{seconds:.3f}s"
    files = {f"{stem}-screen.svg": screen_svg(drawn, width, height, "atme").encode()}
    frame, face = onlooker.picture, onlooker.face
    pictures = {"frame": None if frame is None else frame.image, "face": face}
    for name, picture in pictures.items():
        if picture is not None:
            files[f"{stem}-{name}.png"] = cv2.imencode(".png", picture)[1].tobytes()
    for name, data in files.items():
        write_file(folder / name, data, private=True)
    return [folder / name for name in files]


def screen_svg(drawn: RenderableType, width: int, height: int, title: str) -> str:
    """An SVG image of the screen, ``width`` × ``height`` characters.

    Without rich's web font, so that the file loads nothing from the network; any monospace font will do.
    """
    console = Console(
        record=True,
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    console.print(drawn, end="")
    return re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=title), flags=re.DOTALL)
