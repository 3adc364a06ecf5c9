"""How numba compiles what ``machine_code.py`` keeps; importing this module imports numba.

Its text is part of the key under which the code is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

import recognizer.machine.compiling  # noqa: F401  # says that something is compiled

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """For functions called by compiled ones."""
    return cast(Function, numba.njit(nogil=True, fastmath=True, error_model="numpy")(function))


def compiled_for_c(signature: Any, function: Callable[..., object]) -> Any:
    """numba's ``CFunc``. ``signature``: of pointers and numbers, returning nothing."""
    return numba.cfunc(signature, fastmath=True, error_model="numpy")(function)
