"""A small dataset of rendered clips, to try out without a licence what needs images (all of Table 3).

Every subject is another variation of a public-domain portrait; the action units of its micro-expressions are
drawn from the published codings. Results on it show whether a method runs and learns, but nothing about how
it performs on real faces.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from recognizer.errors import AtmeError
from recognizer.recognition import CLASSES
from recognizer.units import ONE_PLACE
from training.datasets.rendered import COLUMNS, FPS, SHEET
from training.rendering.clip import render
from training.rendering.portrait import Portrait, load_portrait
from training.rendering.script import Action, ClipScript
from training.rendering.varied_portrait import varied
from training.spotting.rendered.movements import drawn
from training.spotting.rendered.timeline import SIZE
from training.synthesis.coded_units import CODED
from training.synthesis.motion_model import Activation

ONSET, APEX, OFFSET = 2, 8, 14
"""Numbers of the frames; a clip has ``OFFSET`` + 1 of them, from 0."""
PEAKS = (1.5, 4.0)
"""Bounds of the peak motion, pixels of a 256-px face; log-uniform in between."""
ONE_SIDED = 0.5
"""A side that moves by less than this fraction of the other is not coded."""


def write_set(
    out: Path, subjects: int, each: int, seed: int, progress: Callable[[int, int], None] = lambda *_: None
) -> int:
    """Writes ``movements.csv`` and ``s01/c01/000.png`` …, ``each`` clips a subject; the number of clips.

    Classes alternate. AtmeError where the folder is not empty or cannot be written.
    """
    if (out / SHEET).exists():
        raise AtmeError("exists", f"{out}: holds a rendered set already; give another folder")
    rng = np.random.default_rng(seed)
    portrait = load_portrait(size=SIZE)
    rows: list[dict[str, object]] = []
    try:
        for number in range(subjects):
            face = varied(portrait, rng)
            for clip in range(each):
                label = CLASSES[(number + clip) % len(CLASSES)]
                name = {"Subject": f"s{number + 1:02d}", "Clip": f"c{clip + 1:02d}"}
                activations = _write_clip(out / name["Subject"] / name["Clip"], face, label, rng)
                numbers = {"Onset": ONSET, "Apex": APEX, "Offset": OFFSET}
                rows.append({**name, **numbers, "Emotion": label, "Action Units": coded(activations)})
                progress(len(rows), subjects * each)
        with (out / SHEET).open("w", newline="", encoding="utf-8") as file:
            sheet = csv.DictWriter(file, COLUMNS)
            sheet.writeheader()
            sheet.writerows(rows)
    except OSError as error:
        raise AtmeError("unwritable", f"{out}: cannot be written ({error.strerror or error})") from None
    return len(rows)


def _write_clip(folder: Path, face: Portrait, label: str, rng: np.random.Generator) -> tuple[Activation, ...]:
    """Renders the frames of one clip; returns the action units in it."""
    peak = float(np.exp(rng.uniform(*np.log(PEAKS))))
    activations = drawn(CODED[label], peak, face, rng)
    movement = Action(label, activations, ONSET / FPS, APEX / FPS, (OFFSET + 1) / FPS)
    script = ClipScript(
        duration=(OFFSET + 1) / FPS,
        fps=FPS,
        size=SIZE,
        actions=(movement,),
        head_motion=float(rng.uniform(0.2, 0.8)),
        noise=float(rng.uniform(0.5, 1.5)),
        seed=int(rng.integers(2**31)),
    )
    folder.mkdir(parents=True, exist_ok=True)
    for number, (_, image) in enumerate(render(face, script)):
        if not cv2.imwrite(str(folder / f"{number:03d}.png"), image):
            raise OSError(f"{folder / f'{number:03d}.png'} was not written")
    return activations


def coded(activations: tuple[Activation, ...]) -> str:
    """``4+R12``, as a coder writes it: left and right are the person's, so the image's right and left."""
    pieces = []
    for one in activations:
        side = ""
        if f"AU{one.unit}" not in ONE_PLACE and min(one.left, one.right) < ONE_SIDED * max(
            one.left, one.right
        ):
            side = "R" if one.left > one.right else "L"
        pieces.append(f"{side}{one.unit}")
    return "+".join(pieces)
