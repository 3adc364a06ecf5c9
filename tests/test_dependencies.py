"""What is imported is declared, where it is needed and nowhere in vain."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
from test_laws import ROOMS, ROOT, imported, sources

from recognizer.console.extras import EXTRAS, missing_extra
from recognizer.files.untrusted_text import tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = {
    "mkdocs-material": "mkdocs",
    "onnxruntime-gpu": "onnxruntime",
    "opencv-contrib-python": "cv2",
    "pillow": "PIL",
    "praat-parselmouth": "parselmouth",
    "pympi-ling": "pympi",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "webvtt-py": "webvtt",
}
"""Distribution → the module it brings, where that has another name."""
TOOLS = {
    "coverage",
    "mkdocstrings",
    "mypy",
    "onnxscript",
    "pandas",
    "pre-commit",
    "pytest-xdist",
    "ruff",
    "setuptools",
}
"""Used without an import of ours, or in the snippets of the documentation."""
ASKED_FOR = {"torch", "ray", "pylsl"}
"""What the live program uses where it is there, or where an option asks for it."""


def modules(extra: str | None = None) -> set[str]:
    """What the base (None) or an extra brings, without what is used by no import."""
    lines = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    names = {re.match(r"[\w.-]+", line)[0] for line in lines} - TOOLS - {PROJECT["name"]}
    return {MODULES.get(name, name) for name in names}


def used(*folders: str) -> set[str]:
    """Other people's modules that the folders import, types aside."""
    own = {*ROOMS, "benchmarks", *(path.stem for path in (ROOT / "tests").glob("*.py"))}
    own |= {path.stem for path in (ROOT / "docs").glob("*.py")}
    found = {name for _, tree in sources(*folders) for name in imported(tree)}
    return found - own - {"tomllib"} - sys.stdlib_module_names


def test_the_live_program_imports_what_the_base_brings():
    live = used("atme", "stream", "spotting", "recognizer")
    assert live - ASKED_FOR <= modules()
    assert modules() <= live, "declared in vain"


def test_the_offline_program_imports_what_train_brings_too():
    offline = used("training") | used("recognizer")
    others = modules("ray") | modules("tensorboard")
    assert offline - others <= modules() | modules("train")
    assert modules("train") <= offline, "declared in vain"


def test_what_checks_imports_what_dev_brings():
    checks = used("tests", "benchmarks", "docs")
    everything = {name for extra in (None, *PROJECT["optional-dependencies"]) for name in modules(extra)}
    assert checks <= everything | {"numpy"}
    assert modules("dev") <= checks, "declared in vain"


def test_each_missing_package_is_answered_with_its_extra():
    for extra in ("train", "ray", "lsl", "tensorboard"):
        for module in modules(extra):
            assert EXTRAS[module] == extra
    assert {EXTRAS[name] for name in EXTRAS} <= set(PROJECT["optional-dependencies"])
    line = missing_extra(ModuleNotFoundError("no", name="torch.nn"))
    assert line == "this needs the package torch; pip install 'atme-live[train]'"
    assert missing_extra(ModuleNotFoundError("no", name="stream.nothing")) is None


@pytest.mark.parametrize("path", sorted(ROOT.glob("atme/**/*.py")))
def test_the_package_atme_holds_names_only(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.ClassDef)
