"""Text of a session as other programs can take it: it comes from file names, marks and received folders."""

from __future__ import annotations

import re

# What XML 1.0 cannot hold, and what ends a line for some reader or steers a terminal.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
FORMULA = ("=", "+", "-", "@")


def plain_text(text: object) -> str:
    """One line without control characters; half a character, as names that are not UTF-8 have, becomes �."""
    return _UNFIT.sub(lambda found: "\ufffd" if "\ud800" <= found[0] <= "\udfff" else " ", str(text))


def cell_text(text: object) -> str:
    """``plain_text`` for a spreadsheet, which runs what looks like a formula: an apostrophe forbids it."""
    words = plain_text(text)
    return f"'{words}" if words.lstrip().startswith(FORMULA) else words
