"""One entry to all benchmarks: figures as ratios to a peer or a floor measured in the same run.

    python -m benchmarks [--only tvl1 …] [--quick] [--out DIR]      also: make bench, atme bench

Writes results.md, results.json and one PNG per suite into ``--out``; the table is printed, too. Run it on an
idle machine: on a busy one only the ratios are meaningful.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from benchmarks.row import Row, Suite, machine, markdown, plot
from recognizer.console.command_line import run
from recognizer.console.native_log import native_log
from recognizer.errors import AtmeError

SUITES = {
    "tvl1": "benchmarks.tvl1:rows",
    "pair": "benchmarks.pair:rows",
    "start-up": "benchmarks.start_up:rows",
    "replay": "benchmarks.replay:rows",
    "live": "benchmarks.live:rows",
    "growth": "benchmarks.growth:rows",
    "loso": "benchmarks.loso:rows",
}
"""Name → module and function, ``rows(quick)``. Imported only when they run, as torch would count as
start-up."""


def find(name: str) -> Suite | None:
    """The suite's function; None where its module is not part of this copy."""
    module, function = SUITES[name].split(":")
    if importlib.util.find_spec(module) is None:
        return None
    suite: Suite | None = getattr(importlib.import_module(module), function, None)
    return suite


def measure(names: list[str], quick: bool, out: Path) -> None:
    """Runs the suites one by one; finished results are on disk, whatever happens to the next suite."""
    console, report = Console(), Console(stderr=True)
    noted = machine()
    head = "# Benchmarks\n\n" + "".join(f"- {name}: {value}\n" for name, value in noted.items()) + "\n"
    head += f"- load when it began: {os.getloadavg()[0]:.1f}\n\n" if hasattr(os, "getloadavg") else ""
    found: dict[str, list[Row]] = {}
    failed = []
    for name in names:
        report.print(f"{name} …", style="dim")
        suite = find(name)
        if suite is None:
            report.print(f"{name}: left out, not part of this copy")
            continue
        try:
            with native_log():
                found[name] = suite(quick)
        except Exception as error:  # one suite must not cost the others
            if "--debug" in sys.argv:
                raise
            failed.append(name)
            report.print(f"{name}: failed, {error!r}", style="red", markup=False)
            continue
        console.print(Markdown(markdown(name, found[name])))
        _write(out, head, noted, found)
        plot(name, found[name], out / f"{name}.png")
    if found:
        report.print(f"{out / 'results.md'}, results.json and plots written", markup=False)
    if failed:
        raise AtmeError(
            "internal", f"these benchmarks failed: {', '.join(failed)}; run one with --only and --debug"
        )


def _write(out: Path, head: str, noted: dict[str, str], found: dict[str, list[Row]]) -> None:
    tables = [markdown(name, rows) for name, rows in found.items()]
    (out / "results.md").write_text(head + "\n".join(tables), encoding="utf-8")
    results = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": noted,
        "suites": {name: [asdict(row) for row in rows] for name, rows in found.items()},
    }
    (out / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False), encoding="utf-8")


def main() -> None:
    """Reads the command line; AtmeError where the results cannot be written or a suite failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=SUITES, action="append", help="this suite (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and repetitions")
    parser.add_argument(
        "--out", type=Path, default=Path("bench"), help="folder of the results; default: bench"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "results.md").touch()
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{options.out}: cannot be written ({error.strerror}); name another --out"
        ) from None
    measure(options.only or list(SUITES), options.quick, options.out)


if __name__ == "__main__":
    run(main, "atme bench")
