"""The codes of errors: each means something, is used and is documented, and survives where errors travel."""

from __future__ import annotations

import ast
import copy
import pickle
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from user_errors import check

from recognizer.errors import CODES, AtmeError, ErrorCode, read_code
from recognizer.face import NoFaceError
from training.evaluation.unit_scores import TooFewCodedError

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("recognizer", "spotting", "stream", "training", "benchmarks", "docs")
MAKERS = ("AtmeError", "super().__init__")
PASSED_ON = ("code", "error.code", "failure.code", "place.code", "read_code(error)")
"""How a code that is not written down reaches an error: from another one, or from what could not be read."""


def stated_codes() -> Counter[str]:
    """The first argument of every AtmeError of the program."""
    found: Counter[str] = Counter()
    for path in (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))):
        text = path.read_text(encoding="utf-8")
        if "AtmeError" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in MAKERS or len(node.args) != 2:
                continue
            first = node.args[0]
            found[str(first.value) if isinstance(first, ast.Constant) else ast.unparse(first)] += 1
    return found


def test_every_code_is_explained_in_one_line() -> None:
    assert tuple(CODES) == get_args(ErrorCode)
    assert all(0 < len(words) <= 110 and words.isprintable() for words in CODES.values())


def test_every_error_has_a_code_that_exists_and_every_code_an_error() -> None:
    stated = stated_codes()
    assert stated.keys() - set(PASSED_ON) == CODES.keys()
    assert stated.total() > 350


def test_the_page_on_python_lists_the_codes() -> None:
    page = (ROOT / "docs/how-to/python.md").read_text(encoding="utf-8")
    assert "".join(f"| `{code}` | {words} |\n" for code, words in CODES.items()) in page


@pytest.mark.parametrize(
    "error", [AtmeError("busy", "one\ntwo"), NoFaceError("too small"), TooFewCodedError("AU9")], ids=repr
)
def test_an_error_is_the_same_in_another_process(error: AtmeError) -> None:
    """Worker processes hand theirs over."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        there = pickle.loads(pickle.dumps(error, protocol))
        assert (type(there), there.code, str(there)) == (type(error), error.code, str(error))
    assert copy.copy(error).code == error.code


def test_subclasses_know_their_code() -> None:
    check(NoFaceError("the face is 12 px wide"), "no-face", "12 px")
    check(TooFewCodedError("no unit"), "too-little")


def test_what_is_missing_is_told_from_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing") as missing:
        (tmp_path / "missing").read_bytes()
    with pytest.raises(OSError, match=tmp_path.name) as folder:
        tmp_path.read_bytes()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="below") as below:
        (tmp_path / "file" / "below").read_bytes()
    assert (read_code(missing.value), read_code(below.value)) == ("not-found", "not-found")
    assert read_code(folder.value) == "unreadable"
