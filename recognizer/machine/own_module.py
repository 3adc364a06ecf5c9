"""Another module of this program in a process of its own, whatever lies in the folder one is in."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
"""Where the program's packages lie."""

# ``python -m`` would look into the current folder first, and take the user's own training/ for ours.
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
