"""A flame graph of the live program as a small SVG, from the stacks that py-spy has sampled.

    py-spy record --format raw --output stacks.txt -- python -m benchmarks.flame --live
    python -m benchmarks.flame stacks.txt docs/flame.svg

``--live`` runs a session at 200 frames a second for 15 s. Width is processor time; what takes less than half
a percent, or only waits, is left out. py-spy is not a dependency: pip install py-spy.
"""

from __future__ import annotations

import re
import sys
from html import escape
from pathlib import Path

from recognizer.console.command_line import run
from recognizer.errors import AtmeError

_WIDTH, _LINE = 960.0, 17
_LEAST = 0.005
"""Part of all samples from which a box is drawn."""
_DEEPEST = 11
"""Boxes below each other; imports go deeper."""
_COLOURS = {"stream": "#9ecae1", "spotting": "#a1d99b", "recognizer": "#fdae6b", "benchmarks": "#dddddd"}
_OTHERS = "#eeeeee"
_WAITING = re.compile(
    r".*(\(threading\.py:\d+\)|(^|;)Looped\.read_next \([^;]*\)|Queue\.get \([^;]*\)|sleep \([^;]*\))$"
)
"""Stacks of a thread that only waits: py-spy takes some of them for busy ones."""
_FRAME = re.compile(r"(?P<name>.+) \((?P<file>.+?)(?::\d+)?\)$")

Tree = dict[str, "Node"]


class Node:
    """A function called from one place: samples in it, and what it calls."""

    def __init__(self) -> None:
        self.samples = 0
        self.calls: Tree = {}


def read_stacks(text: str) -> Node:
    """Folded stacks, a line each: frames from the outermost in, separated by ``;``, then the samples."""
    root = Node()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if not count.isdigit():
            raise AtmeError(
                "unreadable", f"{line[:60]!r} is no stack; give the output of py-spy record --format raw"
            )
        if _WAITING.match(stack):
            continue
        at = root
        at.samples += int(count)
        for frame in stack.split(";"):
            found = _FRAME.match(frame)
            if found is None or "threading.py" in found["file"]:
                continue
            file = found["file"] if not Path(found["file"]).is_absolute() else Path(found["file"]).name
            at = at.calls.setdefault(f"{found['name']} ({file})", Node())
            at.samples += int(count)
    return root


def draw(root: Node) -> str:
    """The SVG, callers above what they call."""
    boxes: list[str] = []
    depth = _boxes(root, 0.0, 0, _WIDTH / max(root.samples, 1), _LEAST * root.samples, boxes)
    size = f'viewBox="0 0 {_WIDTH:g} {depth * _LINE}" font-family="sans-serif" font-size="10"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(boxes) + "\n</svg>\n"


def _boxes(node: Node, left: float, depth: int, scale: float, least: float, boxes: list[str]) -> int:
    deepest = depth
    for name, call in sorted(node.calls.items(), key=lambda item: -item[1].samples):
        if call.samples < least or depth == _DEEPEST:
            continue
        wide = scale * call.samples
        colour = next((colour for part, colour in _COLOURS.items() if f"({part}" in name), _OTHERS)
        shown = escape(name.partition(" (")[0][: int(wide / 6)]) if wide > 20 else ""
        place = f'x="{left:.1f}" y="{depth * _LINE}" width="{wide:.1f}" height="{_LINE - 1}" fill="{colour}"'
        boxes.append(f"<g><title>{escape(name)}, {100 * wide / _WIDTH:.1f} %</title><rect {place}/>")
        boxes.append(f'<text x="{left + 2:.1f}" y="{depth * _LINE + 12}">{shown}</text></g>')
        deepest = max(deepest, _boxes(call, left, depth + 1, scale, least, boxes))
        left += wide
    return max(deepest, depth + (depth < _DEEPEST and bool(node.calls)))


def _live() -> None:
    import cv2

    from benchmarks.looped import Looped, load_frames
    from stream.session import Session

    session = Session(Looped(load_frames(), 200, 15.0, live=True))
    cv2.setNumThreads(1)  # as the command does
    session.run()


def main() -> None:
    """Runs the session, or draws what was sampled. AtmeError for a file that holds no stacks."""
    match sys.argv[1:]:
        case ["--live"]:
            _live()
        case [stacks, picture]:
            Path(picture).write_text(draw(read_stacks(Path(stacks).read_text(encoding="utf-8"))))
        case _:
            raise AtmeError("invalid", "give --live, or the stacks and the SVG to write")


if __name__ == "__main__":
    run(main, "flame")
