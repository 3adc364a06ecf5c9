"""Torch → one ONNX file that carries everything the live program must know about the model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from recognizer.errors import AtmeError
from recognizer.files.write import replacing
from recognizer.network.model_info import KEY, ModelInfo
from recognizer.network.onnx_runtime import onnxruntime, session_options
from recognizer.network.weights_file import sealed
from training.learning.eight_bits import multiply_in_eight_bits

OPSET = 17
TOLERANCE = 1e-4
"""Greatest allowed difference of a logit between torch and ONNX Runtime."""
HALVED = 1_000_000
"""Arrays with at least this many numbers are stored in half precision."""
COARSE = 5e-3
"""Greatest change of an output by 8 bits: a probability of one in two then changes by one in a thousand."""


def round_to_half(model: nn.Module) -> None:
    """Rounds, in place, the weights that the file stores in half precision, so that model and file agree."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.numel() >= HALVED:
                weight.copy_(weight.half().float())


def export(model: nn.Module, info: ModelInfo, path: Path) -> None:
    """Writes ``model`` with the inputs ``entire``, ``puzzled``, (N, 3, 28, 28) float32 in [−1, 1], and the
    output ``logits``, (N, classes); where ``info`` names action units, the model gives a second output,
    ``units``, (N, units, 2).

    Large weights are rounded to half precision in the model too, and multiplied in 8 bits where that changes
    no output by more than ``COARSE``. The file is checked against torch before it takes its place; AtmeError
    where logits differ by more than ``TOLERANCE`` without the 8 bits, or the place is not writable.
    """
    model.eval()
    round_to_half(model)
    example = torch.zeros(2, 3, 28, 28)
    with completed(path) as draft:
        outputs = ["logits", "units"] if info.units else ["logits"]
        graph = traced(model, {"entire": example, "puzzled": example}, outputs, draft)
        _halve(graph.graph)
        save(graph, {KEY: info.to_json()}, draft)
        check_parity(model, draft, path)
        exact = draft.read_bytes()
        multiply_in_eight_bits(graph.graph, HALVED)
        save(graph, {}, draft)
        if not difference(model, draft) <= COARSE:
            draft.write_bytes(exact)


@contextmanager
def completed(path: Path) -> Iterator[Path]:
    """A draft that takes the place of ``path`` if all goes well; AtmeError where it cannot be written."""
    if not path.parent.is_dir():
        raise AtmeError("unwritable", f"{path}: its folder does not exist; make {path.parent} first")
    try:
        with replacing(path, ".onnx") as draft:
            yield draft
    except OSError as error:
        raise AtmeError("unwritable", f"{path}: cannot be written ({error.strerror or error})") from None


def traced(
    model: nn.Module,
    examples: Mapping[str, Tensor],
    outputs: Sequence[str],
    draft: Path,
    samples: bool = True,
    folded: bool = True,
) -> onnx.ModelProto:
    """The graph of ``model``; ``examples``: input name → (2, …), for any number of samples; not ``samples``:
    for shapes as they are; not ``folded``: with every array under its own name."""
    with warnings.catch_warnings():
        # The old TorchScript exporter is used: the new one prints messages about parts that are not needed.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            tuple(examples.values()),
            str(draft),
            input_names=list(examples),
            output_names=list(outputs),
            dynamic_axes={name: {0: "N"} for name in (*examples, *outputs)} if samples else None,
            opset_version=OPSET,
            do_constant_folding=folded,
            dynamo=False,
        )
    return onnx.load(str(draft))


def save(graph: onnx.ModelProto, about: Mapping[str, str], draft: Path) -> None:
    """Writes the graph with these entries in its metadata, sealed with a digest."""
    for key, value in about.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(graph)
    draft.write_bytes(sealed(graph.SerializeToString()))


def members(file: Path) -> list[dict[str, Tensor]]:
    """The arrays of every member of a panel that ``traced`` wrote, by their names in it."""
    known = {one.name: numpy_helper.to_array(one).copy() for one in onnx.load(str(file)).graph.initializer}
    found: list[dict[str, Tensor]] = []
    while True:
        start = f"members.{len(found)}."
        own = {name[len(start) :]: torch.from_numpy(known[name]) for name in known if name.startswith(start)}
        if not own:
            return found
        found.append({**(found[-1] if found else {}), **own})  # equal arrays are written once, for the first


def _halve(graph: onnx.GraphProto) -> None:
    """Stores the large weights as float16, each followed by a Cast that restores float32."""
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < HALVED:
            continue
        name = tensor.name
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}_half")
        tensor.CopyFrom(half)
        graph.node.insert(0, helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))


def check_parity(model: nn.Module, file: Path, name: Path) -> None:
    """AtmeError, naming ``name``, where the outputs of ``file`` and ``model`` differ on random features."""
    worst = difference(model, file)
    if not worst <= TOLERANCE:
        raise AtmeError(
            "internal",
            f"{name}: not written, ONNX Runtime's logits differ from torch's by {worst:.1e} (at most "
            f"{TOLERANCE:.0e} allowed); try another version of onnxruntime",
        )


def difference(model: nn.Module, file: Path) -> float:
    """The greatest difference between the outputs of ``file`` and ``model`` on random features."""
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    session = onnxruntime.InferenceSession(str(file), session_options(), providers=["CPUExecutionProvider"])
    for n in (1, 7):
        entire, puzzled = (torch.rand(n, 3, 28, 28, generator=generator) * 2 - 1 for _ in range(2))
        with torch.no_grad():
            said = model(entire, puzzled)
        expected = said if isinstance(said, tuple) else (said,)
        feeds = {"entire": entire.numpy(), "puzzled": puzzled.numpy()}
        for one, found in zip(expected, session.run(None, feeds), strict=True):
            worst = max(worst, float(np.abs(found - one.numpy()).max()))
    return worst
