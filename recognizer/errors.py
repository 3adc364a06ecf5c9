"""The one type of error that a user can cause."""

from recognizer.console.plain_text import printable


class AtmeError(Exception):
    """Something that a user can fix: what went wrong, where, and what to do, in one line.

    The commands print it without a traceback and exit with code 2 (with ``--debug``: the traceback too).
    Control characters in it are escaped, so that it can be printed anywhere.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))
