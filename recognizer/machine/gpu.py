"""Is there an NVIDIA GPU? The driver is asked, because the libraries' own lists do not tell."""

from __future__ import annotations

import ctypes
import sys
from functools import cache


@cache
def gpu_count() -> int:
    """Number of CUDA devices that the driver reports; 0 without a driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
