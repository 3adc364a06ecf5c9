"""File descriptor 2 goes to the log inside, and back to stderr outside."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from user_errors import raises

from recognizer.console.native_log import native_log

ROOT = Path(__file__).resolve().parents[1]

WRITES = """
import os, pathlib, sys
from recognizer.console.native_log import native_log
os.write(2, b"before\\n")
with native_log(pathlib.Path(sys.argv[1])):
    os.write(2, b"native\\n")
    print("python", file=sys.stderr)
    os.system("echo child >&2")
os.write(2, b"after\\n")
print("python after", file=sys.stderr)
"""

FAILS_ON_A_TERMINAL = """
import os, sys
from recognizer.console.native_log import native_log
with native_log() as path:
    print(path)
    os.write(2, b"the native reason\\n")
    raise {error}
"""


def run(script: str, *arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=30,
        **options,
    )


def test_everything_inside_goes_to_the_file_and_outside_to_stderr(tmp_path):
    log = tmp_path / "native.log"
    log.write_text("kept\n")
    done = run(WRITES, str(log), capture_output=True, text=True)
    assert log.read_text() == "kept\nnative\npython\nchild\n"
    assert done.stderr == "before\nafter\npython after\n"


def test_restored_after_an_error(tmp_path):
    before = os.fstat(2)
    inside = []
    with contextlib.suppress(ValueError), native_log(tmp_path / "log"):
        inside.append(os.fstat(2))
        raise ValueError("boom")
    assert not os.path.samestat(inside[0], before)
    assert os.path.samestat(os.fstat(2), before)


def test_the_noise_stays_out_of_a_redirected_stderr_too(tmp_path):
    with open(tmp_path / "err", "wb") as err:
        run(
            "import os\nfrom recognizer.console.native_log import native_log\nwith native_log():\n"
            "    os.write(2, b'noise')\nos.write(2, b'ours')",
            stderr=err,
        )
    assert (tmp_path / "err").read_bytes() == b"ours"


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
@pytest.mark.parametrize(
    ("error", "replayed"), [("RuntimeError('a bug')", True), ("KeyboardInterrupt", False)]
)
def test_the_temporary_log_is_shown_after_a_bug_and_deleted(error, replayed):
    controller, terminal = os.openpty()
    done = run(FAILS_ON_A_TERMINAL.format(error=error), stdout=subprocess.PIPE, stderr=terminal, text=True)
    os.close(terminal)
    shown = os.read(controller, 65536)
    os.close(controller)
    assert (b"the native reason" in shown) is replayed
    assert not Path(done.stdout.strip()).exists()


def test_an_unwritable_log_is_one_clear_line(tmp_path):
    with raises("unwritable", tmp_path / "no" / "log"), native_log(tmp_path / "no" / "log"):
        pass
