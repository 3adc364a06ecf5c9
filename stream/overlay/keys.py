"""Single key presses from the terminal, without Enter and without echo."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

ESCAPE_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)
"""What arrow, function and Alt keys send (ECMA-48, section 5.4)."""

if sys.platform == "win32":
    import msvcrt

    @contextmanager
    def single_keys() -> Iterator[Callable[[], str]]:
        """See the POSIX twin below; the Windows console needs no mode change."""
        yield _pressed

    def _pressed() -> str:
        keys = ""
        while msvcrt.kbhit():
            key = msvcrt.getwch()
            if key in ("\x00", "\xe0"):  # an arrow or function key: its code follows
                msvcrt.getwch()
            else:
                keys += key
        return keys

else:
    import os
    import select
    import termios
    import tty

    @contextmanager
    def single_keys() -> Iterator[Callable[[], str]]:
        """Put the terminal into single-key mode and always restore it, whatever ends the block.

        Yields a function that returns the characters pressed since it was last called ("" when none),
        without waiting. Arrow and function keys send escape sequences, which are left out. Ctrl-C still
        raises its signal; Ctrl-Z does not, for it would leave the shell with our screen. Where standard
        input is not a terminal, no key is ever pressed.
        """
        if not sys.stdin.isatty():
            yield lambda: ""
            return
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        try:
            tty.setcbreak(terminal, termios.TCSADRAIN)
            mode = termios.tcgetattr(terminal)
            mode[6][termios.VSUSP] = os.fpathconf(terminal, "PC_VDISABLE").to_bytes(1, "little")
            termios.tcsetattr(terminal, termios.TCSADRAIN, mode)
            yield lambda: _pressed(terminal)
        finally:
            # Flushing drops keys pressed during shutdown: they were not meant for the shell.
            with suppress(termios.error):  # the terminal may be gone
                termios.tcsetattr(terminal, termios.TCSAFLUSH, before)

    def _pressed(terminal: int) -> str:
        keys = ""
        while select.select([terminal], [], [], 0)[0]:
            try:
                chunk = os.read(terminal, 64).decode(errors="ignore")
            except OSError:
                chunk = ""
            if not chunk:  # the terminal hung up
                break
            keys += chunk
        return ESCAPE_SEQUENCE.sub("", keys)
