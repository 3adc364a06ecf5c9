"""The live screen in the terminal, and the summary after it."""

from stream.overlay.controls import Reach
from stream.overlay.drawing.ascii_only import AsciiOnly
from stream.overlay.loop import run_overlay
from stream.overlay.onlooker import Onlooker
from stream.overlay.summary import summarise

__all__ = ["AsciiOnly", "Onlooker", "Reach", "run_overlay", "summarise"]
