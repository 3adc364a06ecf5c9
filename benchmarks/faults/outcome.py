"""The class of an ending, as a user would have met it."""

from __future__ import annotations

from benchmarks.faults.forked import BYTES, Ending

OUTCOMES = ("ok", "clean", "traceback", "hang", "memory", "wrong-and-silent", "crash")
GOOD = ("ok", "clean")
"""ok: exit code 0 and nothing wrong with what came out. clean: exit code 2 and one line that says why."""
_OUT_OF_MEMORY = (
    "MemoryError",
    "bad_alloc",
    "Unable to allocate",
    "Cannot allocate memory",
    "std::length_error",
)


def outcome(ending: Ending) -> str:
    """One of ``OUTCOMES``, as far as it can be told from the ending alone."""
    if ending.timed_out:
        return "hang"
    short_of_memory = any(word in ending.stderr for word in _OUT_OF_MEMORY)
    if ending.bytes > BYTES or (short_of_memory and ending.code != 2):
        return "memory"
    if ending.code < 0:
        return "crash"
    if "Traceback (most recent call last)" in ending.stderr or ending.code not in (0, 2):
        return "traceback"
    if ending.code == 2:
        return "clean" if _one_line(ending.stderr) else "traceback"
    return "ok"


def _one_line(stderr: str) -> bool:
    """The last line is the error, and no other line is part of it; the summary of the session precedes it."""
    lines = [line for line in stderr.splitlines() if line.strip() and ": seen: " not in line]
    said = [line for line in lines if line.startswith(("atme: ", "atme-train: "))]
    return len(said) == 1 and lines[-1] == said[0]
