"""Where the network looks on the face: the spatial attention of its first branch, taken out of the ONNX file.

The weights give logits only. The map M_s of CBAM (Woo et al. 2018, doi 10.1007/978-3-030-01234-2_1; the
paper's AARS, §3.3.2) is an intermediate result: this finds it in the network and makes it an output.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.feature import Feature, normalise
from recognizer.network.backend import DEFAULT_WEIGHTS
from recognizer.network.onnx_runtime import onnxruntime, session_options
from recognizer.network.weights_file import read_weights

Map = npt.NDArray[np.float32]
"""(7, 7) float32 in 0–1, rows from the forehead down: how much each place of the face counts."""


class Attention:
    """Runs the network a second time, on the CPU, for explanations; live recognition does without it."""

    def __init__(self, weights: Path = DEFAULT_WEIGHTS) -> None:
        """``weights`` are those of a ``Backend``."""
        import onnx

        model = onnx.load_model_from_string(read_weights(weights))
        self._name = _spatial_map(model.graph)
        if self._name:
            model.graph.output.append(onnx.ValueInfoProto(name=self._name))
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
            )

    def map(self, entire: Feature, puzzled: Feature) -> Map | None:
        """The map of one pair's features; None where the network has none."""
        if not self._name:
            return None
        feeds = {"entire": normalise(entire[None]), "puzzled": normalise(puzzled[None])}
        return np.asarray(self._session.run([self._name], feeds)[0][0, 0], np.float32)


def _spatial_map(graph: Any) -> str | None:
    """Name of the map: the sigmoid of a convolution of (maximum, mean) over channels derived from ``entire``.

    Weights that average over the mirrored pair run the network on both as one batch, the pair as it is first;
    earlier ones contain it twice, and the one that takes ``entire`` unmirrored is used.
    """
    maker = {output: node for node in graph.node for output in node.output}

    def kind(name: str) -> str:
        return maker[name].op_type if name in maker else ""

    def is_map(node: Any) -> bool:
        if node.op_type != "Sigmoid" or kind(node.input[0]) != "Conv":
            return False
        summary = maker[node.input[0]].input[0]
        return kind(summary) == "Concat" and {kind(name) for name in maker[summary].input} == {
            "ReduceMax",
            "ReduceMean",
        }

    def sees_entire(node: Any) -> bool:
        waiting, known = list(node.input), set[str]()
        while waiting:
            name = waiting.pop()
            if name in known or name not in maker:
                continue
            known.add(name)
            if kind(name) == "Conv" and maker[name].input[0] == "entire":
                return True
            waiting += maker[name].input
        return False

    maps = sorted((node for node in graph.node if is_map(node)), key=sees_entire)
    return str(maps[-1].output[0]) if maps else None
