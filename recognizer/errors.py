"""The one error type that a user can cause."""


class AtmeError(Exception):
    """Something a user can mend: what went wrong, where, and what to do, in one line.

    The commands print it without a traceback and exit with code 2 (with ``--debug``: the traceback too).
    """
