"""The live program: sources, capture, session, overlay. ``Session`` combines them in one class."""

from stream.event import Expression, MacroExpression, MicroExpression
from stream.session import Session
from stream.settings import Settings, load_settings

__all__ = ["Expression", "MacroExpression", "MicroExpression", "Session", "Settings", "load_settings"]
