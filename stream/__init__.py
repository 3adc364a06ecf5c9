"""The live program: sources, capture, session, overlay. ``Session`` combines them in one class."""

from typing import TYPE_CHECKING

from recognizer.lazy import lazily

if TYPE_CHECKING:
    from stream.event import Expression, MacroExpression, MicroExpression
    from stream.session import Session
    from stream.settings import Settings, load_settings

__all__ = ["Expression", "MacroExpression", "MicroExpression", "Session", "Settings", "load_settings"]

__getattr__ = lazily(
    __name__,
    {
        "stream.event": ("Expression", "MacroExpression", "MicroExpression"),
        "stream.session": ("Session",),
        "stream.settings": ("Settings", "load_settings"),
    },
)
