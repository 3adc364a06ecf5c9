"""A hook of mkdocs: writes every command with its options into ``reference/commands.md``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from stream.cli import app as atme
from training.cli.main import app as atme_train

PAGE = "reference/commands.md"
PROGRAMS = {"atme": atme, "atme-train": atme_train}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with a section for each command; other pages as they are."""
    if page.file.src_uri != PAGE:
        return markdown
    return "\n".join([markdown, *(line for program in PROGRAMS for line in described(program))])


def described(program: str) -> Iterator[str]:
    """Markdown lines on each command of the program."""
    yield f"## {program}\n"
    commands: dict[str, Any] = typer.main.get_command(PROGRAMS[program]).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        options = [one for one in command.params if one.param_type_name == "option"]
        words = [f"{one.name.upper()}{'…' if one.nargs != 1 else ''}" for one in arguments]
        yield f"### {program} {name}\n"
        yield f"    {' '.join([program, name, *words])}\n"
        yield f"{command.help}\n"
        rows = [(f"`{one.name.upper()}`", one.help) for one in arguments]
        for one in options:
            spelled = ", ".join(f"`{option}`" for option in (*one.opts, *one.secondary_opts))
            rows.append((spelled, (one.help or "") + default(one)))
        if rows:
            yield "| argument or option | meaning |\n|---|---|"
            yield from (f"| {words} | {escaped(text or '')} |" for words, text in rows)
            yield ""


def default(option: Any) -> str:
    """`` Default: 60.0`` where there is one that says something and the help does not name it."""
    value = getattr(option.default, "value", option.default)
    if value in (None, "", False, True, ()) or callable(value) or "efault" in (option.help or ""):
        return ""
    return f" Default: `{value}`."


def escaped(text: str) -> str:
    """As a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
