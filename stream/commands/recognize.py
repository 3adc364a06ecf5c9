"""``atme recognize``: the label of one onset-apex pair of images."""

from __future__ import annotations

import json as json_format
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recognizer.errors import AtmeError
from stream.commands.options import ConfigOption, UnitsOption, WeightsOption, settings_from

if TYPE_CHECKING:
    from stream.frame import Image


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(recognize)


def recognize(
    onset: Annotated[Path, typer.Argument(help="Image at the start of the movement.")],
    apex: Annotated[Path, typer.Argument(help="Image at its peak.")],
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    explain: Annotated[
        Path | None, typer.Option(help="Write the network's inputs as an image to this .png.")
    ] = None,
    config: ConfigOption = None,
    weights: WeightsOption = None,
    no_units: UnitsOption = False,
) -> None:
    """Label one onset-apex pair of images."""
    from recognizer.console.native_log import native_log
    from recognizer.files.image import read_image
    from recognizer.network.backend import DEFAULT_WEIGHTS
    from recognizer.recognition import UNCERTAIN
    from recognizer.recognizer import Recognizer

    settings = settings_from(config, weights, no_units=no_units)
    for path in (onset, apex):
        if not path.is_file():
            raise AtmeError("not-found", f"{path}: no such image; give two image files, onset and apex")
    pictures = (read_image(onset), read_image(apex))
    wanted = settings.recognizer
    with native_log(), Recognizer(wanted.weights or DEFAULT_WEIGHTS, units=wanted.units) as recognizer:
        features = recognizer.extractor.extract(*pictures)
        result = recognizer.recognize_features(features)
        provider, notes = recognizer.provider, recognizer.backend.notes
    for note in notes:
        print(f"atme: {note}", file=sys.stderr)
    if explain is not None:
        from recognizer.explain import explain as draw

        if explain.resolve() in (onset.resolve(), apex.resolve()):
            raise AtmeError("exists", f"{explain}: this is one of the input images; name another file")
        _write_picture(explain, draw(features, result))
    if json:
        print(json_format.dumps({**asdict(result), "provider": provider}))
        return
    verdict = result.in_words if result.label == UNCERTAIN else result.label
    print(f"{verdict}  (confidence {result.confidence:.2f}, on {provider})")
    for name, share in result.probabilities.items():
        print(f"  {name:<9} {share:.3f}  {'█' * round(30 * share)}")
    for unit in result.at_work:
        counts = f", supports {result.nearest}" if unit in result.speaking else ""
        print(f"  {unit.unit:<5} {unit.in_words}: {unit.p:.2f}, {unit.px:.1f} px{counts}")
    print("  " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in result.stage_ms.items()))


def _write_picture(path: Path, picture: Image) -> None:
    import cv2

    from recognizer.files.write import write_file

    try:
        write_file(path, cv2.imencode(path.suffix, picture)[1].tobytes(), private=True)
    except cv2.error:
        raise AtmeError("invalid", f"{path}: not a name for an image; let it end in .png") from None
    except OSError as error:
        raise AtmeError(
            "unwritable",
            f"{path}: cannot be written ({error.strerror}); name a .png file in a folder you may write to",
        ) from error
