"""``atme config``: which settings are in force and from where, and a file to change them in."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from recognizer.console.plain_text import printable
from recognizer.errors import AtmeError
from stream.commands.options import ConfigOption


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(config)


def config(
    config: ConfigOption = None,
    init: Annotated[
        bool,
        typer.Option(
            "--init", help="Write a file with every setting, its default and the reason, for you to edit."
        ),
    ] = False,
) -> None:
    """Show the current settings and where they come from.

    The file is the one given with --config, else atme.toml in this folder, else atme.toml in your
    configuration folder. --init writes the one given, or the last of these.
    """
    if init:
        print(printable(f"{_write(config)}: every setting with its default; change what you like"))
        return
    for line in _in_force(config):
        print(printable(line))


def _write(path: Path | None) -> Path:
    from stream.settings import user_file

    path = path or user_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(files("stream").joinpath("atme.toml").read_bytes())
    except FileExistsError:
        raise AtmeError(
            "exists", f"{path}: is there already and is never overwritten; change it, or move it"
        ) from None
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{path}: cannot be written ({error.strerror}); name a file with --config"
        ) from None
    return path


def _in_force(given: Path | None) -> list[str]:
    from stream.settings import HERE, load_settings, read_settings, settings_file, user_file

    path = settings_file(given)
    settings = load_settings(path)
    told = {} if path is None else read_settings(path)
    found = f"# {path}" if path else f"# defaults alone: neither {HERE} here nor {user_file()}"
    lines = [found]
    for section, values in asdict(settings).items():
        lines += ["", f"[{section}]"]
        for key, value in values.items():
            origin = "" if key in told.get(section, {}) else "  # default"
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}{origin}")
    return lines
