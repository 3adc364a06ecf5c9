"""The command ``atme-train export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recognizer.console.plain_text import printable
from recognizer.errors import AtmeError


def register(app: typer.Typer) -> None:
    """Adds the command to ``atme-train``."""
    app.command()(export)


def export(
    weights: Annotated[Path, typer.Argument(help="State of a Dual-ATME (.safetensors).")],
    out: Annotated[Path, typer.Option(help="The model to write (.onnx).")],
    trained_on: Annotated[
        str | None, typer.Option(help="The training data, in words; stored in the file.")
    ] = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="Run folder of `atme-train loso` to calibrate the temperature with.")
    ] = None,
) -> None:
    """Export weights for the live program: ONNX with metadata, checked against torch."""
    from recognizer.network.model_info import ModelInfo
    from training.learning.correction import CorrectedAtme, network_of
    from training.learning.evidence import Refusing
    from training.learning.export import COARSE
    from training.learning.export import export as write
    from training.learning.pretrain import FlipAveraged
    from training.learning.weights import load_state
    from training.loso.fit import calibrated, evidence_of

    if weights.suffix == ".onnx":
        raise AtmeError("invalid", f"{weights}: is already exported; `atme live --weights` takes it as it is")
    if out.suffix != ".onnx":
        raise AtmeError("invalid", f"{out}: an exported model must have a name that ends in .onnx")
    network = network_of(load_state(weights))
    if isinstance(network, CorrectedAtme):  # learnt from samples and their mirror images together
        network = FlipAveraged(network)
    evidence = evidence_of(weights)
    temperature = 1.0 if calibrate is None else calibrated(calibrate)
    command = f"atme-train export {weights.name} --out {out.name}"
    info = ModelInfo(
        name=out.stem,
        trained_on=trained_on or f"not stated; the weights came from {weights.name}",
        command=command + (f" --calibrate {calibrate.name}" if calibrate else ""),
        temperature=temperature,
        nothing=True,
        refusal=evidence.refusal,
        **evidence.unit_info(),
    )
    write(Refusing(network, evidence, temperature), info, out)
    print(
        printable(
            f"{out}: ONNX Runtime's logits match torch's to within {COARSE:.0e}; "
            f"try atme live --weights {out}"
        )
    )
