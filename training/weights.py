"""Weights to start from: a ``.safetensors`` of Dual-ATME's state, or one of our ``.onnx`` files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recognizer.backend import Backend
from recognizer.errors import AtmeError
from recognizer.model import DualAtme, ModelConfig
from training.correction import PREFIX
from training.engine import normalise
from training.flow_synthesis import synthesize
from training.pretrain import FlipAveraged

State = dict[str, Tensor]

TOLERANCE = 1e-2
"""Greatest difference of a logit between an ONNX file and the state read from it."""


def save_state(state: State, path: Path) -> None:
    """Writes a state; AtmeError where that is not possible."""
    try:
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    except (OSError, SafetensorError) as error:
        raise AtmeError(f"{path}: cannot be written ({error})") from None


def named_with_digest(path: Path) -> str:
    """``mine.onnx (sha256 0123456789ab)``: tells files of one name apart. AtmeError without a file."""
    try:
        return f"{path.name} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]})"
    except OSError as error:
        raise AtmeError(
            f"{path}: cannot be read ({error.strerror}); give weights (.safetensors or .onnx)"
        ) from None


def load_state(path: Path) -> State:
    """The ``state_dict`` in a file, with the correction of a .safetensors (``training.correction``).

    AtmeError where it is missing, damaged, of another network, or a corrected .onnx.
    """
    if not path.is_file():
        raise AtmeError(f"{path}: no such file; give weights (.safetensors or .onnx)")
    if path.suffix == ".onnx":
        return _from_onnx(path)
    if path.suffix != ".safetensors":
        raise AtmeError(f"{path}: weights are read from .safetensors or .onnx")
    try:
        state: State = load_file(path)
    except (OSError, SafetensorError) as error:
        raise AtmeError(f"{path}: not readable as safetensors ({error})") from None
    wanted = DualAtme().state_dict()
    for name, value in wanted.items():
        if name not in state or state[name].shape != value.shape:
            raise AtmeError(f"{path}: not the state of a Dual-ATME ('{name}' is missing or of another shape)")
    if state.get(PREFIX + "scale", torch.eye(3)).shape != (3, 3):
        raise AtmeError(f"{path}: was corrected by an earlier version; make it again with atme-train fit")
    return {name: value for name, value in state.items() if name in wanted or name.startswith(PREFIX)}


def _from_onnx(path: Path) -> State:
    """Undoes the export, which merges each convolution with its batch norm and stores some weights in half.

    The merged γ and β are lost, but not needed: any statistics that the layer might have had give the same
    network. Those taken here are what the layer gives on synthetic samples, so that training can go on.
    """
    backend = Backend(path)  # refuses what is not one of our files
    graph = onnx.load(str(path)).graph
    arrays = {item.name: numpy_helper.to_array(item).astype(np.float32) for item in graph.initializer}
    if any(name.removeprefix("model.").startswith(PREFIX) for name in arrays):
        raise AtmeError(
            f"{path}: was corrected for a data set (atme-train fit --init), so no training starts from it; "
            "give the weights that it was corrected from, or a .safetensors made by fit"
        )
    model = DualAtme(ModelConfig(classes=len(backend.info.classes) + backend.info.nothing)).eval()
    state = model.state_dict()
    for name, value in arrays.items():
        plain = name.removeprefix("model.").removesuffix("_half")
        if plain in state:
            state[plain] = torch.from_numpy(value.copy())
    merged = [value for name, value in arrays.items() if re.fullmatch(r"onnx::Conv_\d+", name)]
    layers = [name for name, module in model.named_modules() if _has_norm(name, module, model)]
    places = [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    if [value.shape for value in merged] != [tuple(state[place].shape) for place in places]:
        raise AtmeError(f"{path}: its layers are not a Dual-ATME's; start from a .safetensors file")
    state |= {place: torch.from_numpy(value.copy()) for place, value in zip(places, merged, strict=True)}
    model.load_state_dict(state)
    _restore_norms(model, layers)
    _check(model, backend, path)
    return _classes_only(model.state_dict(), len(backend.info.classes))


def _classes_only(state: State, classes: int) -> State:
    """Without the output for "no emotion": data sets hold emotions only."""
    last = {name: state[name][:classes].clone() for name in ("classifier.5.weight", "classifier.5.bias")}
    return state | last


def _has_norm(name: str, module: nn.Module, model: nn.Module) -> bool:
    parent = name.rpartition(".")[0]
    return isinstance(module, nn.Conv2d) and isinstance(_next(model, parent), nn.BatchNorm2d)


def _next(model: nn.Module, parent: str) -> nn.Module | None:
    siblings = model.get_submodule(parent)
    return siblings[1] if isinstance(siblings, nn.Sequential) and len(siblings) == 3 else None


@torch.no_grad()
def _restore_norms(model: DualAtme, layers: list[str]) -> None:
    """Gives every batch norm after ``layers`` the statistics of its input, and the γ and β that undo them."""
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
        gaps = [float((net(*inputs) - wanted).abs().max()) for net in (model, FlipAveraged(model))]
    if not min(gaps) <= TOLERANCE:
        raise AtmeError(f"{path}: its weights could not be read back (logits differ by {min(gaps):.2g})")
