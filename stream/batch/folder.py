"""Which batch a session folder belongs to: shown by the batch's marker in it, locked while it is written."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recognizer.errors import AtmeError
from stream.records.fingerprint import fingerprint
from stream.records.report.event_pictures import NAMES
from stream.records.session_files import ABOUT, BATCH, EVENTS, FACES, GAPS, MARKS, MOTION, REJECTED

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there
    fcntl = None  # type: ignore[assignment]

_PICTURE = re.compile(rf"\.?\d{{4,}}-({'|'.join(NAMES)})\.png(\.[0-9a-f]{{8}}\.part)?")
_PART = re.compile(rf"\.{re.escape(ABOUT)}\.[0-9a-f]{{8}}\.part")


@contextmanager
def held(folder: Path, recording: Path) -> Iterator[bool]:
    """Locks the folder for a session of this recording; creates it, with the batch's marker, if it is
    missing.

    Yields whether the marker in it says that a batch began it with this recording. A folder in which no
    session was begun is removed again. AtmeError where the folder is a link, the marker is another
    recording's, or another batch is writing there.
    """
    try:
        if folder.is_symlink():
            raise AtmeError("exists", f"{folder}: a link, and a batch follows none; name another --out")
        folder.mkdir(parents=True, exist_ok=True)
        entries = {entry.name for entry in folder.iterdir()}
        if entries and BATCH not in entries:
            yield False
            return
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        marker = os.open(folder / BATCH, flags, 0o666)
    except OSError as error:
        words = (
            f"{folder}: cannot be made a session folder ({error.strerror}); name an --out you may write to"
        )
        raise AtmeError("unwritable", words) from error
    mine = False
    try:
        _lock(marker, folder)
        _sign(marker, folder, recording, new=entries <= {BATCH})
        mine = True
        yield True
    finally:
        with suppress(OSError):
            if mine and [entry.name for entry in folder.iterdir()] == [BATCH]:
                (folder / BATCH).unlink()
                folder.rmdir()
        os.close(marker)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Locks a batch's ``--out`` folder. AtmeError where another batch on this machine has locked it."""
    if fcntl is None:
        yield
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{out}: cannot be used ({error.strerror}); name another --out folder"
        ) from error
    try:
        with suppress(OSError):  # where folders cannot be locked, each session's marker still is
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AtmeError(
                    "busy", f"{out}: another batch is running there; wait for it, or name another"
                ) from None
        yield
    finally:
        os.close(folder)


def clear(folder: Path) -> None:
    """Removes what a session has written, except the marker; anything else in the folder stays.

    Nothing is removed where one of those names is a link, or not a file. AtmeError there, and where a file
    cannot be removed.
    """
    try:
        ours = [folder / name for name in (EVENTS, REJECTED, MARKS, GAPS, MOTION, ABOUT)]
        ours += [path for path in folder.iterdir() if _PART.fullmatch(path.name)]
        faces = folder / FACES
        if os.path.lexists(faces):
            if not stat.S_ISDIR(faces.lstat().st_mode):
                raise AtmeError(
                    "exists", f"{faces}: no folder of this session, left as it is; name another --out folder"
                )
            ours += [path for path in faces.iterdir() if _PICTURE.fullmatch(path.name)]
        ours = [path for path in ours if os.path.lexists(path)]
        for path in ours:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise AtmeError("exists", f"{path}: a link, or no file, left as it is; name another --out")
        for path in ours:
            path.unlink()
        if faces.is_dir():
            faces.rmdir()
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{folder}: cannot be cleared ({error.strerror}); name another --out folder"
        ) from error


def _lock(marker: int, folder: Path) -> None:
    busy = AtmeError("busy", f"{folder}: another batch is writing it; wait for it, or name another --out")
    if fcntl is not None:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise busy from None  # other errors: a file system without locks
    if os.fstat(marker).st_nlink == 0:  # removed by the process that held it
        raise busy


def _sign(marker: int, folder: Path, recording: Path, *, new: bool) -> None:
    """Writes the marker where there was none; AtmeError where it belongs to another recording."""
    ours = {"recording": str(recording.resolve()), "fingerprint": fingerprint(recording)}
    if not stat.S_ISREG(os.fstat(marker).st_mode):
        raise AtmeError("exists", f"{folder / BATCH}: no file; name another --out")
    data = os.read(marker, 64 * 1024)
    if not data and new:
        os.write(marker, json.dumps(ours).encode("ascii") + b"\n")
        os.fsync(marker)
        return
    try:
        there = json.loads(data)
    except (ValueError, RecursionError):
        there = None
    if there != ours:
        raise AtmeError(
            "mismatch", f"{folder}: begun by a batch with another recording of this name; name another --out"
        )
