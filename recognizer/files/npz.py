"""Archives of arrays (.npz) of any origin: sizes are read before data, and pickles never."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError

MOST_BYTES = 256_000_000
"""Limit for all arrays together: features of 54,000 samples."""
MOST_MEMBERS = 256


def check_zip(path: Path, most_bytes: int, what: str) -> None:
    """Checks a zip file before reading any of it: AtmeError, naming ``what`` it should be, where its members
    would grow beyond ``most_bytes``. OSError and zipfile.BadZipFile pass through."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
    if total > most_bytes or len(members) > MOST_MEMBERS:
        raise AtmeError(
            "unreadable",
            f"{path}: would take {total / 1e6:.0f} MB in {len(members)} parts, {most_bytes / 1e6:.0f} MB are "
            f"the most; not {what} of this program",
        )


def read_arrays(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, npt.NDArray[np.generic]]:
    """Name → array. AtmeError for a file that is missing, damaged, too large, or whose sizes contradict each
    other; its reason is one line."""
    try:
        check_zip(path, most_bytes, "an archive")
        with zipfile.ZipFile(path) as archive:
            found = {}
            for member in archive.infolist():
                with archive.open(member) as file:
                    found[member.filename.removesuffix(".npy")] = _array(file, member.file_size)
            return found
    except FileNotFoundError:
        raise AtmeError("not-found", f"{path}: no such file; give an archive (.npz)") from None
    except AtmeError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds at damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AtmeError("unreadable", f"{path}: not a readable .npz archive ({reason})") from None


def _array(file: IO[bytes], size: int) -> npt.NDArray[np.generic]:
    """One member; ValueError where its header promises objects or a size other than ``size``."""
    start = _Counted(file)
    layout: Any = np.lib.format
    read = {(1, 0): layout.read_array_header_1_0, (2, 0): layout.read_array_header_2_0}
    try:
        shape, column_major, dtype = read[layout.read_magic(start)](start)
    except Exception as error:  # numpy parses it as Python text, whoever wrote it
        raise ValueError(f"a header that cannot be read ({type(error).__name__})") from None
    if dtype.hasobject:
        raise ValueError("holds Python objects, which are never loaded")
    count = math.prod(shape)
    if any(not isinstance(n, int) or n < 0 for n in shape) or start.taken + count * dtype.itemsize != size:
        raise ValueError(f"the shape {shape} of {dtype} is not what follows")
    data = file.read()
    if len(data) != size - start.taken:
        raise ValueError("cut off")
    values: npt.NDArray[np.generic] = np.frombuffer(data, dtype, count) if count else np.empty(0, dtype)
    return values.reshape(shape, order="F" if column_major else "C")


class _Counted:
    """Counts the bytes that were read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.taken = file, 0

    def read(self, length: int) -> bytes:
        data = self._file.read(length)
        self.taken += len(data)
        return data
