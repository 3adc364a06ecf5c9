"""Text that every terminal can show: no control characters, and substitutes for what a code page lacks."""

from __future__ import annotations

import codecs

_BRAILLE_LEVELS = " .:|#"
"""Code of a braille column with 0 to 4 dots filled."""
_SAME = {
    "─━╌┄┈–—": "-",
    "│┃╎║‖": "|",
    "┌┐└┘╭╮╰╯┏┓┗┛├┤┬┴┼": "+",
    "█▉▊▋": "#",
    "▌▍▎▏": "=",
    "▀": '"',
    "▄": "_",
    "·": ".",
    "…": ".",
    "×": "x",
    "●": "*",
    "▼": "v",
    "▲": "^",
    "◆": "*",
    "■": "o",
    "→": ">",
    "←": "<",
    "↑": "^",
    "↓": "v",
    "°": "o",
}
ASCII = {ord(sign): plain for signs, plain in _SAME.items() for sign in signs}
"""Code point of a character that this program draws → the ASCII character that stands for it."""
for _code in range(0x2800, 0x2900):
    _dots = _code - 0x2800
    ASCII[_code] = _BRAILLE_LEVELS[max((_dots & 0x47).bit_count(), (_dots & 0xB8).bit_count())]

LOOK_ALIKES = "atme-look-alikes"
"""Name of the error handler for output streams: a character that the encoding lacks becomes a similar one."""


def printable(text: str) -> str:
    """The text as one line; control characters, and bytes that are not UTF-8, are written as ``\\x1b``.

    A file name may contain any of them, and a terminal obeys what it is sent.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # Python's stand-in for a byte of a name that is not UTF-8
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode("ascii")


def _look_alikes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(ASCII.get(ord(letter)) or _escaped(letter) for letter in letters), error.end


codecs.register_error(LOOK_ALIKES, _look_alikes)
