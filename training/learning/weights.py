"""Weights to start from: a ``.safetensors`` of Dual-ATME's state, or one of our ``.onnx`` files."""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recognizer.errors import AtmeError, read_code
from recognizer.network.backend import Backend
from recognizer.network.model import DualAtme, ModelConfig
from recognizer.network.model_info import ModelInfo
from recognizer.network.weights_file import SEAL, read_weights
from recognizer.recognition import CLASSES
from recognizer.units import UNITS
from training.learning.correction import PREFIX, Correction
from training.learning.engine import normalise
from training.learning.evidence import LAST, Evidence, UnitsTold, blank, evidence_in
from training.learning.evidence import PREFIX as EVIDENCE
from training.learning.pretrain import FlipAveraged
from training.learning.unit_head import LOGITS, OUTPUTS
from training.synthesis.flow import synthesize

log = logging.getLogger(__name__)
State = dict[str, Tensor]

TOLERANCE = 1e-2
"""Greatest allowed difference of a logit between an ONNX file and the state read from it."""


def save_state(state: State, path: Path) -> None:
    """Writes a state with its digest; AtmeError where that is not possible."""
    whole = {name: value.contiguous() for name, value in state.items()}
    try:
        save_file(whole, path, {SEAL: _digest(whole)})
    except (OSError, SafetensorError) as error:
        raise AtmeError("unwritable", f"{path}: cannot be written ({error})") from None


def named_with_digest(path: Path) -> str:
    """``mine.onnx (sha256 0123456789ab)``: tells files of one name apart. AtmeError without a file."""
    try:
        return f"{path.name} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]})"
    except OSError as error:
        raise AtmeError(
            read_code(error),
            f"{path}: cannot be read ({error.strerror}); give weights (.safetensors or .onnx)",
        ) from None


def load_state(path: Path) -> State:
    """The ``state_dict`` in a file, including a correction in a .safetensors (``learning.correction``).

    AtmeError where it is missing, damaged, another network's, or an .onnx fitted to a dataset.
    """
    if _suffix(path) == ".onnx":
        state, *_ = _from_onnx(path)
        return _classes_only(state, len(CLASSES))
    state = _from_safetensors(path)
    wanted = DualAtme().state_dict()
    _check_like(state, wanted, path)
    own = {name: value for name, value in state.items() if name.startswith(PREFIX)}
    if own:
        if own.get(PREFIX + "scale", torch.eye(3)).shape != (3, 3):
            raise AtmeError(
                "unreadable",
                f"{path}: was corrected by an earlier version; make it again with atme-train fit",
            )
        count = len(own.get(PREFIX + "samples", ()))
        like = Correction(count).state_dict()
        _check_like(state, {PREFIX + name: value for name, value in like.items()}, path)
    return {name: value for name, value in state.items() if name in wanted or name in own}


def load_evidence(path: Path) -> Evidence | None:
    """What the weights in a file know about "no emotion"; None where they know only emotions.

    AtmeError as for ``load_state``.
    """
    if _suffix(path) == ".onnx":
        state, info, told = _from_onnx(path)
        return Evidence(state, info.temperature, info.refusal, told) if info.nothing else None
    whole = _from_safetensors(path)
    state = {name: value for name, value in whole.items() if name.startswith(EVIDENCE)}
    if not state:
        return None
    last = state.get(EVIDENCE + LAST[1], torch.zeros(0))
    _check_like(whole, blank(OUTPUTS if len(last) == OUTPUTS else LOGITS), path)
    return evidence_in(state)


def _suffix(path: Path) -> str:
    if not path.is_file():
        raise AtmeError("not-found", f"{path}: no such file; give weights (.safetensors or .onnx)")
    if path.suffix not in (".onnx", ".safetensors"):
        raise AtmeError("invalid", f"{path}: weights are read from .safetensors or .onnx")
    return path.suffix


def _from_safetensors(path: Path) -> State:
    """Everything in the file, checked for finite numbers and against its digest."""
    try:
        state: State = load_file(path)
        with safe_open(path, "pt") as file:
            digest = (file.metadata() or {}).get(SEAL)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise AtmeError(
            "unreadable", f"{path}: not readable as safetensors ({str(error).splitlines()[0]})"
        ) from None
    if digest is None:
        log.warning(f"{path}: carries no digest, so damage to it may go unseen; make it again")
    elif digest != _digest(state):
        raise AtmeError(
            "unreadable", f"{path}: damaged, its digest does not fit its content; copy or make it again"
        )
    if not all(bool(value.isfinite().all()) for value in state.values()):
        raise AtmeError("unreadable", f"{path}: damaged, it holds numbers that are not finite; make it again")
    return state


def _digest(state: State) -> str:
    """SHA-256 of names, types, shapes and numbers."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _check_like(state: State, wanted: State, path: Path) -> None:
    for name, value in wanted.items():
        if name not in state or state[name].shape != value.shape or state[name].dtype != value.dtype:
            raise AtmeError(
                "unreadable",
                f"{path}: not the state of a Dual-ATME ('{name}' is missing or of another shape)",
            )


def _from_onnx(path: Path) -> tuple[State, ModelInfo, UnitsTold | None]:
    """Undoes the export, which merges each convolution with its batch norm and halves some weights'
    precision.

    The merged γ and β are lost, but not needed: any statistics that the layer might have had give the same
    network. Those used here are the layer's on synthetic samples, so that training can continue.
    """
    backend = Backend(path)  # refuses anything but our own files
    for note in backend.notes:
        log.warning(note)
    graph = onnx.load_model_from_string(read_weights(path)).graph
    arrays = {item.name: numpy_helper.to_array(item).astype(np.float32) for item in graph.initializer}
    if any(PREFIX in name or name.startswith(EVIDENCE) for name in arrays):
        raise AtmeError(
            "mismatch",
            f"{path}: was fitted to a dataset (atme-train fit), so training cannot start from it; give the "
            "weights that it was fitted from, or a .safetensors made by fit",
        )
    told = _units_told(arrays, backend.info, path)
    outputs = OUTPUTS if told is not None else len(backend.info.classes) + backend.info.nothing
    model = DualAtme(ModelConfig(classes=outputs)).eval()
    state = model.state_dict()
    for name, value in arrays.items():
        plain = name.removeprefix("model.").removesuffix("_half")
        if plain in state:
            state[plain] = torch.from_numpy(value.copy())
    merged = [value for name, value in arrays.items() if re.fullmatch(r"onnx::Conv_\d+", name)]
    layers = [name for name, module in model.named_modules() if _has_norm(name, module, model)]
    places = [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    if [value.shape for value in merged] != [tuple(state[place].shape) for place in places]:
        raise AtmeError(
            "unreadable", f"{path}: its layers are not a Dual-ATME's; start from a .safetensors file"
        )
    state |= {place: torch.from_numpy(value.copy()) for place, value in zip(places, merged, strict=True)}
    model.load_state_dict(state)
    _restore_norms(model, layers)
    _check(model, backend, path)
    return model.state_dict(), backend.info, told


def _units_told(arrays: dict[str, npt.NDArray[np.float32]], info: ModelInfo, path: Path) -> UnitsTold | None:
    if not info.units:
        return None
    if info.units != tuple(UNITS) or not {"scale", "bias"} <= arrays.keys():
        raise AtmeError(
            "unreadable", f"{path}: its action units are not this version's; start from a .safetensors file"
        )
    told = (arrays["scale"].copy(), arrays["bias"].copy(), info.unit_thresholds, info.unit_weights)
    return UnitsTold(*(torch.as_tensor(one, dtype=torch.float32) for one in told))


def _classes_only(state: State, classes: int) -> State:
    """Without the output for "no emotion": datasets hold emotions only."""
    last = {name: state[name][:classes].clone() for name in LAST}
    return state | last


def _has_norm(name: str, module: nn.Module, model: nn.Module) -> bool:
    parent = name.rpartition(".")[0]
    return isinstance(module, nn.Conv2d) and isinstance(_next(model, parent), nn.BatchNorm2d)


def _next(model: nn.Module, parent: str) -> nn.Module | None:
    siblings = model.get_submodule(parent)
    return siblings[1] if isinstance(siblings, nn.Sequential) and len(siblings) == 3 else None


@torch.no_grad()
def _restore_norms(model: DualAtme, layers: list[str]) -> None:
    """Gives every batch norm after ``layers`` its input's statistics, and the γ and β that undo them."""
    samples = synthesize(500, torch.Generator().manual_seed(0))
    inputs = [normalise(features) for features in (samples.entire, samples.puzzled)]
    for layer in layers:
        norm = model.get_submodule(layer.rpartition(".")[0] + ".1")
        assert isinstance(norm, nn.BatchNorm2d)
        norm.weight.fill_((1 + norm.eps) ** 0.5)

        def measure(norm: nn.Module, given: tuple[Tensor], _: Tensor) -> None:
            assert isinstance(norm, nn.BatchNorm2d)
            variance, mean = torch.var_mean(given[0], dim=(0, 2, 3))
            norm.running_mean, norm.running_var = mean, variance
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(mean)

        norm.register_forward_hook(measure)
    model(*inputs)
    for layer in layers:
        model.get_submodule(layer.rpartition(".")[0] + ".1")._forward_hooks.clear()


def _check(model: DualAtme, backend: Backend, path: Path) -> None:
    samples = synthesize(20, torch.Generator().manual_seed(1))
    entire, puzzled = (x.to(torch.uint8).numpy() for x in (samples.entire, samples.puzzled))
    inputs = [normalise(torch.from_numpy(features)) for features in (entire, puzzled)]
    wanted = torch.from_numpy(backend.logits(entire, puzzled))
    with torch.no_grad():
        # A network with units averages over the mirrored pair, which also swaps their sides.
        nets = (model, FlipAveraged(model))
        gaps = [float((net(*inputs)[:, : wanted.shape[1]] - wanted).abs().max()) for net in nets]
    if not min(gaps) <= TOLERANCE:
        raise AtmeError(
            "unreadable", f"{path}: its weights could not be read back (logits differ by {min(gaps):.2g})"
        )
