"""The live screen in the terminal, and the summary after it."""

from stream.overlay.loop import run_overlay
from stream.overlay.summary import summarise

__all__ = ["run_overlay", "summarise"]
