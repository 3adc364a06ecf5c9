"""The keys, in the footer and explained."""

from __future__ import annotations

from rich.text import Text

from stream.event import MACRO
from stream.labels import LOOKS, QUIET, WARNING, look_of
from stream.overlay.drawing.curve import THRESHOLD
from stream.overlay.extras import Extras

KEYS = (
    # key, word in the footer, what it does
    ("q", "quit", "quit; movements in progress are still recognised"),
    ("p", "pause", "pause and resume; frames in between are ignored"),
    ("m", "mark", "mark this moment; kept in the session folder (--out)"),
    ("r", "rejected", "list macro-expressions, and what was rejected and why"),
    ("s", "sound", "a tone for each event: falls, rises, both, flat"),
    ("c", "snapshot", "keep this frame, face and screen as files"),
    ("h", "help", "this help, also with ?"),
)


def footer(paused: bool, extras: Extras, width: int) -> Text:
    """The keys with their words; the words that do not fit are left out, the last keys' first."""
    words = {key: word for key, word, _ in KEYS}
    if paused:
        words["p"] = "resume"
    if extras.sound:
        words["s"] = "sound off"
    shown = [key for key, *_ in KEYS if key != "s" or extras.sound is not None]
    wordy = len(shown)
    while wordy and _length(shown, words, wordy) > width:
        wordy -= 1
    line = Text(no_wrap=True)
    for place, key in enumerate(shown):
        line.append(" ").append(f" {key} ", "reverse")
        if place < wordy:
            line.append(f" {words[key]} ")
    line.truncate(width, overflow="crop")
    return line


def _length(shown: list[str], words: dict[str, str], wordy: int) -> int:
    return 4 * len(shown) + sum(len(words[key]) + 2 for key in shown[:wordy])


def help_lines(width: int, height: int, sound: bool) -> list[Text]:
    """``height`` lines: every key, then every sign."""
    lines = [Text(" keys", style="bold")]
    for key, _, meaning in KEYS:
        if key != "s" or sound:
            lines.append(Text.assemble("  ", (f" {key} ", "reverse"), f" {meaning}"))
    lines.append(Text(" signs", style="bold"))
    labels = Text(" ")
    for name, look in (*LOOKS.items(), ("macro", look_of(MACRO))):
        labels.append(f" {look.symbol} {name} ", f"bold {look.colour}")
    lines.append(labels)
    lines.append(Text.assemble("  ├─▼─┤ onset, apex, offset   ", ("╌╌╌ rejected", QUIET), "   ┃ your mark"))
    lines.append(Text.assemble("  ", (THRESHOLD * 3, WARNING), " threshold: motion below it is noise"))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return [*lines, *(Text("") for _ in range(height - len(lines)))][:height]
