"""The fault campaign: ``python -m benchmarks.faults [--cases 3000] [--kills 50] [--disks 10] [--out DIR]``.

Damages inputs of every kind by a seed, kills sessions at random moments and fills disks, and prints a table
of how the program ended. Only ``ok`` and ``clean`` (one line, exit code 2) are good. Any other ending is kept
in ``--out`` with the file that caused it, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--cases", type=int, default=3000, help="damaged inputs, over all kinds")
    parser.add_argument("--kills", type=int, default=50, help="sessions killed at a random moment")
    parser.add_argument(
        "--disks", type=int, default=10, help="sessions on a disk that gets full (as root only)"
    )
    parser.add_argument("--killed-reviews", type=int, default=20, help="servers killed while a coder decides")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", metavar="KIND", help="this kind; may be repeated")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time")
    parser.add_argument(
        "--out", type=Path, default=Path("bench/faults"), help="for the table and what failed"
    )
    given = parser.parse_args()
    # Before numpy and others are imported: a process with threads cannot be forked.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", ORT_DISABLE_TELEMETRY="1")

    from benchmarks.faults.campaign import Result, run_cases
    from benchmarks.faults.full_disk import fill_disks
    from benchmarks.faults.killed_reviews import kill_reviews
    from benchmarks.faults.kills import kill_sessions
    from benchmarks.faults.kinds import FOLDERS, KINDS
    from benchmarks.faults.ready import import_everything
    from benchmarks.faults.table import table

    kinds = [kind for kind in KINDS if not given.only or kind.name in given.only]
    whole = sum(kind.share for kind in kinds)
    counts = [(kind, round(given.cases * kind.share / whole)) for kind in kinds]
    given.out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="failed-", dir=given.out)).resolve()
    originals = work / "originals"
    names = {FOLDERS.get(kind.name, kind.name) for kind, count in counts if count}
    names |= {"long"} if given.kills or given.disks else set()
    names |= {"review"} if given.killed_reviews else set()
    command = [sys.executable, "-m", "benchmarks.faults.originals", str(originals), *sorted(names)]
    subprocess.run(command, check=True)
    import_everything()
    results: list[Result] = []
    try:
        for found in (
            run_cases(counts, originals, work, given.seed, given.jobs),
            kill_sessions(given.kills, originals, work, given.seed),
            kill_reviews(given.killed_reviews, originals, work, given.seed),
            fill_disks(given.disks, originals, work, given.seed),
        ):
            for result in found:
                results.append(result)
                if result.outcome not in ("ok", "clean"):
                    print(f"{result.kind}: {result.case}: {result.outcome}: {result.said}", flush=True)
    finally:
        shutil.rmtree(originals)
        text = table(results)
        (given.out / "faults.md").write_text(text + "\n", encoding="utf-8")
        print(text)
    return int(any(result.outcome not in ("ok", "clean") for result in results))


if __name__ == "__main__":
    sys.exit(main())
