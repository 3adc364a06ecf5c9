"""Samples → feature archive: the live preprocessing over every sample, in parallel, resumable.

Every finished sample is kept as a small file in ``OUT.partial/`` until the archive is written, so a kill at
any time loses only the samples in progress.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime, timezone
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognizer.console.progress import progress_bar
from recognizer.errors import AtmeError
from recognizer.feature import FeatureExtractor
from recognizer.files.write import replacing
from recognizer.machine.end_with_parent import end_with_parent
from recognizer.network.model_info import PREPROCESSING
from recognizer.network.weights_file import SEAL
from recognizer.recognition import CLASSES
from training.datasets.sample import Loaded, Problem, Sample, with_subject_notes
from training.features.archive import FeatureArchive, digest_of
from training.features.pair import WORKING_SIZE, Failure, Pair, extract, part_name, read_part, write_part
from training.features.prepare_report import Prepared, write_report


def prepare(
    loaded: Loaded,
    out: Path,
    dataset: str,
    *,
    jobs: int | None = None,
    force: bool = False,
    keep_faces: bool = False,
) -> Prepared:
    """Writes the feature archive ``out`` (F.npz), and F.report.json and F.report.txt beside it.

    ``dataset``: its name, for the records; ``jobs``: worker processes, default one per CPU; ``force``:
    replace an existing archive. The archive holds, all of length N, ``entire`` and ``puzzled`` (N, 3, 28, 28)
    uint8, ``label`` int64, ``subject``, ``database``, ``sample``, ``units`` and ``apex_origin`` text; with
    ``keep_faces`` also ``faces`` (N, 2, 128, 128) uint8, ``landmarks`` (N, 68, 2) float32 and ``flow`` (N, 2,
    128, 128) float16; and ``metadata``, a JSON object. A person is (database, subject), because two databases
    may both have a subject 01. AtmeError: the file exists or cannot be written, a worker died, no sample
    could be prepared.
    """
    if not loaded.samples:
        raise AtmeError("too-little", f"{dataset}: no sample can be used{_for_instance(loaded.problems)}")
    parts = _parts_folder(out, force)
    paths = [parts / part_name(sample, keep_faces) for sample in loaded.samples]
    todo = [(s, path) for s, path in zip(loaded.samples, paths, strict=True) if read_part(path) is None]
    _work_through(todo, len(paths), jobs or os.cpu_count() or 1, parts, keep_faces)
    good, left_out = _sorted_out(loaded.samples, [read_part(path) for path in paths])
    result = _summary(loaded, good, left_out, dataset, reused=len(paths) - len(todo))
    write_report(result, out)
    if not good:
        raise AtmeError("too-little", f"{dataset}: no sample could be prepared{_for_instance(left_out)}")
    _save(out, good, result)
    shutil.rmtree(parts, ignore_errors=True)
    return result


def _parts_folder(out: Path, force: bool) -> Path:
    """Checks that the archive may be written, before hours of work."""
    if out.suffix != ".npz":
        raise AtmeError("invalid", f"{out}: the name of a feature archive ends in .npz")
    if out.exists() and not force:
        raise AtmeError("exists", f"{out}: exists already; give another name, or --force to replace it")
    folder = out.with_name(f"{out.name}.partial")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{out}: cannot be written ({error.strerror}); name a file in a folder of yours"
        ) from None
    return folder


def _for_instance(problems: Sequence[Problem]) -> str:
    return f"; for instance {problems[0].sample}: {problems[0].what}" if problems else ""


def _work_through(
    todo: Sequence[tuple[Sample, Path]], total: int, jobs: int, parts: Path, keep_faces: bool
) -> None:
    """Makes the parts that are missing, in processes of their own, with a progress bar on stderr."""
    if not todo:
        return
    pool = ProcessPoolExecutor(
        min(jobs, len(todo)), get_context("spawn"), initializer=_begin, initargs=(parts / "workers.log",)
    )
    try:
        with progress_bar("preparing", total) as bar:
            bar(total - len(todo))
            futures = [pool.submit(_work, sample, path, keep_faces) for sample, path in todo]
            for done, future in enumerate(as_completed(futures), total - len(todo) + 1):
                future.result()
                bar(done)
    except BrokenProcessPool:
        raise AtmeError(
            "internal",
            f"a worker process died (too little memory?); the finished samples are kept in {parts}: "
            "run the same command again, perhaps with fewer --jobs",
        ) from None
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{parts}: cannot be written ({error.strerror}); check the free space"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_extractor: FeatureExtractor
"""State of one worker process."""


def _begin(log: Path) -> None:
    """Readies a worker process: one thread, native messages into a file, no life without the parent."""
    global _extractor  # noqa: PLW0603 - the only way to give a worker process state
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    end_with_parent()
    cv2.setNumThreads(1)
    _extractor = FeatureExtractor(WORKING_SIZE)


def _work(sample: Sample, path: Path, keep_faces: bool) -> None:
    write_part(extract(sample, _extractor, keep_faces), path)


def _sorted_out(
    samples: Sequence[Sample], outcomes: Sequence[Pair | Failure | None]
) -> tuple[list[tuple[Sample, Pair]], list[Problem]]:
    """Samples with features; and those without, or with the same images as another."""
    good: list[tuple[Sample, Pair]] = []
    left_out: list[Problem] = []
    first: dict[str, Sample] = {}
    for sample, outcome in zip(samples, outcomes, strict=True):
        if not isinstance(outcome, Pair):
            reason = outcome.reason if outcome else "its part could not be read back; run again"
            left_out.append(Problem(sample.id, reason, repaired=False))
        elif outcome.digest in first:
            earlier = first[outcome.digest]
            contrary = "" if earlier.label == sample.label else f", there labelled {CLASSES[earlier.label]}"
            what = f"a duplicate: the same images as {earlier.id}{contrary}"
            left_out.append(Problem(sample.id, what, repaired=False))
        else:
            first[outcome.digest] = sample
            good.append((sample, outcome))
    return good, left_out


def _summary(
    loaded: Loaded,
    good: Sequence[tuple[Sample, Pair]],
    left_out: Sequence[Problem],
    dataset: str,
    reused: int,
) -> Prepared:
    remaining = with_subject_notes(Loaded(tuple(sample for sample, _ in good), ()))
    return Prepared(
        dataset=dataset,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        program=f"atme-live {version('atme-live')}",
        preprocessing=PREPROCESSING,
        working_size=WORKING_SIZE,
        samples=len(good),
        reused=reused,
        by_database=dict(Counter(sample.database for sample, _ in good)),
        by_class={name: sum(CLASSES[sample.label] == name for sample, _ in good) for name in CLASSES},
        estimated={sample.id: pair.apex for sample, pair in good if pair.apex_origin == "estimated"},
        # Leaving samples out may have changed what holds for the subjects.
        notes=tuple(dict.fromkeys((*loaded.notes, *remaining.notes))),
        problems=(*loaded.problems, *left_out),
    )


def _save(out: Path, good: Sequence[tuple[Sample, Pair]], result: Prepared) -> None:
    """Writes the archive, whole or not at all."""
    archive = FeatureArchive(
        entire=np.stack([pair.entire for _, pair in good]),
        puzzled=np.stack([pair.puzzled for _, pair in good]),
        label=np.array([sample.label for sample, _ in good], np.int64),
        subject=np.array([sample.subject for sample, _ in good]),
        database=np.array([sample.database for sample, _ in good]),
        sample=np.array([f"{sample.subject}_{sample.clip}" for sample, _ in good]),
        units=np.array([sample.units_written for sample, _ in good]),
        faces=_stacked([pair.faces for _, pair in good]),
        landmarks=_stacked([pair.landmarks for _, pair in good]),
        flow=_stacked([pair.flow for _, pair in good]),
    )
    metadata = {**result.metadata(), SEAL: digest_of(archive)}
    try:
        with replacing(out) as draft, draft.open("wb") as file:
            np.savez_compressed(
                file,
                **archive.arrays(),  # type: ignore[arg-type]
                apex_origin=np.array([pair.apex_origin for _, pair in good]),
                metadata=np.array(json.dumps(metadata, ensure_ascii=False)),
            )
    except OSError as error:
        raise AtmeError(
            "unwritable", f"{out}: cannot be written ({error.strerror or error}); check the free space"
        ) from None


def _stacked(pieces: Sequence[npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
    """All of them as one array; None where they are not kept."""
    there = [piece for piece in pieces if piece is not None]
    return np.stack(there) if len(there) == len(pieces) else None
