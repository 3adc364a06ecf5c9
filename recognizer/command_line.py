"""How both commands end: an error that a user can cause is one line and exit code 2."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Callable

from recognizer.errors import AtmeError
from recognizer.plain_text import LOOK_ALIKES


def run(application: Callable[[], object], name: str) -> None:
    """Runs a command line; with ``--debug`` among its arguments the traceback stands before the line.

    What the terminal's encoding lacks is written as a sign like it, never a reason to end.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=LOOK_ALIKES)
    try:
        application()
    except AtmeError as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
