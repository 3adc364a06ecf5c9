"""The command in a forked child process."""

from __future__ import annotations

import sys


def atme(*words: object) -> None:
    from stream.cli import main

    sys.argv = ["atme", *map(str, words)]
    main()
