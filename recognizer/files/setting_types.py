"""Settings are frozen dataclasses with strict types, so that a slip of the keyboard is never taken for a
value."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, Strict, ValidationError

from recognizer.errors import AtmeError
from recognizer.files.setting_errors import in_words

__all__ = ["NO_OTHERS", "Number", "Switch", "Text", "Whole", "setting_dataclass"]

NO_OTHERS = ConfigDict(extra="forbid")
"""For the dataclass of a section of the settings: a key that it does not have is an error."""

Text = Annotated[str, Strict()]
Switch = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""Finite. Ranges are added where it is used: ``Annotated[Number, Field(gt=0, le=100)]``."""

if TYPE_CHECKING:
    from pydantic.dataclasses import dataclass as setting_dataclass
else:

    def setting_dataclass(**options: Any):
        """pydantic's dataclass; constructed with a wrong value, it raises an AtmeError of one line."""
        from pydantic.dataclasses import dataclass

        def decorate(cls: type) -> type:
            made = dataclass(**options)(cls)
            validate = made.__init__

            @functools.wraps(validate)
            def __init__(self: Any, *args: Any, **values: Any) -> None:
                try:
                    validate(self, *args, **values)
                except ValidationError as error:
                    raise AtmeError("invalid", f"{cls.__name__}: {in_words(error, made)}") from None

            made.__init__ = __init__
            return made

        return decorate
