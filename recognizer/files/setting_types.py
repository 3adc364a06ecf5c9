"""Types of settings: strict, so that a slip of the keyboard is never taken for a value."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, Strict

NO_OTHERS = ConfigDict(extra="forbid")
"""For the dataclass that a section of the settings is: a key that it does not know is an error."""

Text = Annotated[str, Strict()]
Switch = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""Finite. Ranges are added where it is used: ``Annotated[Number, Field(gt=0, le=100)]``."""
