"""The command in a child that was forked."""

from __future__ import annotations

import sys


def atme(*words: object) -> None:
    from stream.cli import main

    sys.argv = ["atme", *map(str, words)]
    main()
