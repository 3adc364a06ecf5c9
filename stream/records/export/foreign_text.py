"""Makes a session's text, which may come from anywhere, safe for other programs."""

from __future__ import annotations

import re

# Characters that XML 1.0 cannot contain, that end a line for some reader, or that control a terminal.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
FORMULA = ("=", "+", "-", "@")


def plain_text(text: object) -> str:
    """One line without control characters; lone surrogates, as in names that are not UTF-8, become �."""
    return _UNFIT.sub(lambda found: "\ufffd" if "\ud800" <= found[0] <= "\udfff" else " ", str(text))


def cell_text(text: object) -> str:
    """``plain_text`` for a spreadsheet, which would run text that looks like a formula: an apostrophe
    prevents it."""
    words = plain_text(text)
    return f"'{words}" if words.lstrip().startswith(FORMULA) else words
