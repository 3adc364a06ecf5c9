"""The coder's name."""

from __future__ import annotations

import getpass
import re

from recognizer.errors import AtmeError
from spotting.reviews.decision import CODER


def coder_name(given: str | None) -> str:
    """The given name, or the login's. AtmeError where it cannot be part of a file name."""
    if given is None:
        try:
            login = getpass.getuser()
        except (OSError, KeyError, ImportError):
            login = ""
        given = re.sub(r"[^A-Za-z0-9_-]", "-", login)[:40].lstrip("-_") or "coder"
    if not CODER.fullmatch(given):
        raise AtmeError("invalid", f"--coder {given}: use letters, digits, - and _ only, at most 40")
    return given
