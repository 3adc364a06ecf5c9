"""``atme cameras``, ``setup``, ``doctor``, ``bench``: this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recognizer.console.plain_text import printable
from recognizer.errors import AtmeError


def register(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    app.command()(cameras)
    app.command()(setup)
    app.command()(doctor)
    app.command()(bench)


def cameras() -> None:
    """List the cameras of this machine with the formats, sizes and rates that they offer."""
    from stream.commands.cameras import find_cameras, lines

    for line in lines(find_cameras()):
        print(printable(line))


def setup(
    wheel: Annotated[
        Path | None, typer.Argument(help="MediaPipe's wheel, for a machine without a network.")
    ] = None,
) -> None:
    """Prepare this machine, once: fetch the networks that find the face, compile motion and optical flow."""
    from recognizer.console.native_log import native_log
    from stream.commands.setup import set_up

    with native_log():
        set_up(wheel)


def doctor() -> None:
    """Check this machine: what is there, what is missing, what to do."""
    from recognizer.console.native_log import native_log
    from stream.commands.doctor import examine

    healthy = True
    with native_log():
        findings = []
        for finding in examine():
            findings.append(finding)
            healthy = healthy and (finding.ok or not finding.needed)
    for finding in findings:
        mark = "ok     " if finding.ok else ("MISSING" if finding.needed else "without")
        print(printable(f"{mark}  {finding.name:<14}  {finding.text}"))
    if not healthy:
        raise typer.Exit(2)


def bench(
    only: Annotated[
        list[str] | None, typer.Option(help="Only this suite; may be given several times.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer sizes and repetitions.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the tables and plots.")] = Path("bench"),
) -> None:
    """Measure the speed on this machine, each figure relative to a reference measured in the same run."""
    import subprocess

    from recognizer.machine.own_module import own_module

    if not (Path(__file__).resolve().parents[2] / "benchmarks").is_dir():
        raise AtmeError(
            "not-installed",
            "the benchmarks are not installed with the program; run make bench in its repository",
        )
    words = ["--out", str(out), *(["--quick"] if quick else [])]
    words += [word for name in only or [] for word in ("--only", name)]
    # A process of its own: the live program never imports what trains or measures.
    done = subprocess.run(own_module("benchmarks", *words), check=False)
    raise typer.Exit(done.returncode)
