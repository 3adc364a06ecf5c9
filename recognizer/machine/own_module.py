"""Runs a module of this program as a process of its own, whatever the current folder contains."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
"""The folder of the program's packages."""

# ``python -m`` would search the current folder first and take a user's training/ for ours.
_START = """
import sys
root, name, *words = sys.argv[1:]
sys.path = [root, *filter(None, sys.path)]
sys.argv = [name, *words]
import runpy
runpy.run_module(name, run_name="__main__", alter_sys=True)
"""


def own_module(name: str, *words: str) -> list[str]:
    """The command line that runs the module ``name``, as ``python -m`` does, with these arguments."""
    return [sys.executable, "-c", _START, str(_ROOT), name, *words]
