"""README and docs/: links lead somewhere; commands, options, named files and the documented API exist."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from stream.cli import app as atme
from training.cli.main import app as atme_train

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")} - {ROOT / "CHANGELOG.md"})
"""The changelog is history: it names what was there."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = {"atme": typer.main.get_command(atme), "atme-train": typer.main.get_command(atme_train)}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """As GitHub and mkdocs make them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower()) for text in headings}


def commands(page: Path) -> Iterator[list[str]]:
    """Every ``atme …`` and ``atme-train …`` of the page's code, as words."""
    text = page.read_text(encoding="utf-8")
    blocks = [block for language, block in FENCE.findall(text) if not language]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines += re.findall(r"`([^`]+)`", prose(page))
    for line in lines:
        found = re.search(r"(?:^|\s)((?:atme|atme-train) [a-z].*)", " ".join(line.split("#")[0].split()))
        if found:
            yield shlex.split(re.split(r" [&;|]|; ", found[1])[0])


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{name(page)} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{name(page)} links to {link}; there are {anchors(target)}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_exist_with_their_options(page: Path) -> None:
    for program, command, *words in commands(page):
        known = COMMANDS[program].commands  # type: ignore[attr-defined]
        assert command in known, f"{name(page)}: {program} {command}"
        options = {option for one in known[command].params for option in (*one.opts, *one.secondary_opts)}
        for word in words:
            option = re.match(r"--[a-z-]+", word)
            assert option is None or option[0] in options, f"{name(page)}: {program} {command} has no {word}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_files_are_there(page: Path) -> None:
    top = r"(?:recognizer|spotting|stream|training|benchmarks|tests|docs)"
    for path in re.findall(rf"`({top}/[\w./-]*)`", page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), f"{name(page)} names {path}"


def test_the_architecture_names_every_folder() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for room in ("recognizer", "spotting", "stream", "training"):
        for init in (ROOT / room).rglob("__init__.py"):
            folder = init.parent.relative_to(ROOT).as_posix()
            assert f"`{folder}/`" in text, f"ARCHITECTURE.md does not name {folder}/"


def test_the_documented_api_can_be_imported() -> None:
    text = (ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
    documented = re.findall(r"^::: ([\w.]+)", text, re.MULTILINE)
    assert documented
    for path in documented:
        module, _, member = path.rpartition(".")
        assert getattr(importlib.import_module(module), member).__doc__, path


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        assert f": {page.relative_to(ROOT / 'docs').as_posix()}\n" in text, f"mkdocs.yml does not name {page}"


FIGURE = re.compile(r"(?<![\w.])(?:\d+ of \d+|\d*\.\d+(?: ± \.\d+)?|\d{2,})(?![\w.]*\])")
REPEATED = {
    "How well it works on real faces": (
        "On real faces",
        "On rendered",
        "On real motion",
        "Retrained",
        "Action",
    ),
    "How fast": ("Speed",),
}
"""Section of the README → what the sections of ``docs/explanation/figures.md`` that it repeats begin with."""


@pytest.mark.parametrize("title", REPEATED)
def test_the_figures_of_the_readme_are_those_of_the_page_of_figures(title: str) -> None:
    """Figures change in one place; the README repeats a few of them."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.sub(r"\(.*?\)", "", readme.split(f"\n## {title}\n")[1].split("\n## ")[0])
    page = (ROOT / "docs/explanation/figures.md").read_text(encoding="utf-8")
    there = [part for part in re.split(r"\n##+ ", page) if part.startswith(REPEATED[title])]
    assert len(there) >= len(REPEATED[title])
    stated, kept = set(FIGURE.findall(section)), set(FIGURE.findall("".join(there)))
    assert len(stated) > 5
    assert stated <= kept, f"{sorted(stated - kept)} are not in docs/explanation/figures.md"
