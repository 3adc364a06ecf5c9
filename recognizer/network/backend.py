"""The network in ONNX Runtime: on TensorRT, else CUDA, else the CPU, whichever really works here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_dir

from recognizer.errors import AtmeError
from recognizer.feature import normalise
from recognizer.machine.gpu import gpu_count
from recognizer.network.model_info import KEY, ModelInfo
from recognizer.network.onnx_runtime import onnxruntime, session_options
from recognizer.network.weights_file import (
    UNSEALED,
    check_harmless,
    is_sealed,
    open_network,
    read_weights,
    run_probe,
)

FEATURE_SHAPE = (3, 28, 28)
DEFAULT_WEIGHTS = Path(__file__).parents[1] / "weights" / "default.onnx"

_PROVIDERS = {
    "TensorrtExecutionProvider": "TensorRT",
    "CUDAExecutionProvider": "CUDA",
    "CPUExecutionProvider": "CPU",
}


@dataclass(frozen=True)
class Prediction:
    """The network's answer for N pairs."""

    probabilities: npt.NDArray[np.float32]
    """(N, classes), rows sum to 1: which emotion it is, if it is one."""
    evidence: npt.NDArray[np.float32]
    """(N,): the probability that it is an emotion at all. For a network without a logit for "no emotion":
    the greatest probability. Below ``ModelInfo.refusal`` the program abstains."""
    units: npt.NDArray[np.float32]
    """(N, units, 2): probability that each of ``ModelInfo.units`` is active, on the person's left, right."""


class BoundSession:
    """A session whose inputs and outputs stay on its device: one copy in, one out, no new allocations."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        pairs: int,
        device: str,
        outputs: Sequence[str] = ("logits",),
    ) -> None:
        """For a fixed number of pairs per run; ``device``: ``cuda`` or ``cpu``."""
        self._session, self._binding = session, session.io_binding()
        shape = (pairs, *FEATURE_SHAPE)
        self._inputs = {
            name: onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, device, 0)
            for name in ("entire", "puzzled")
        }
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for name in outputs:
            self._binding.bind_output(name, device)

    def run(self, feeds: Mapping[str, npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
        """The outputs, in the order in which they were named."""
        for name, value in self._inputs.items():
            value.update_inplace(np.ascontiguousarray(feeds[name]))
        self._session.run_with_iobinding(self._binding)
        return [np.asarray(one, np.float32) for one in self._binding.copy_outputs_to_cpu()]


class Backend:
    """One loaded model. ``info``: its metadata; ``provider``: what it runs on; ``notes``: for the user."""

    def __init__(self, weights: Path = DEFAULT_WEIGHTS) -> None:
        """AtmeError when the file is missing, damaged, or not one of ours; a harmful file is never opened."""
        if not weights.is_file():
            raise AtmeError(
                "not-found", f"{weights}: no such weights file; give an .onnx file made by atme-train"
            )
        onnxruntime.set_default_logger_severity(4)
        data = read_weights(weights)
        if weights != DEFAULT_WEIGHTS:
            check_harmless(data, weights)
        self._session = open_network(data, weights, session_options(), _wanted(data))
        metadata = self._session.get_modelmeta().custom_metadata_map
        if KEY not in metadata:
            raise AtmeError(
                "unreadable",
                f"{weights}: an ONNX model, but without atme metadata; export it with atme-train",
            )
        self.info = ModelInfo.from_json(metadata[KEY], str(weights))
        _check_shape(self._session, self.info, str(weights))
        self._outputs = ["logits", "units"] if self.info.units else ["logits"]
        run_probe(self._session, self._outputs, _probe(), weights)
        self.notes = () if is_sealed(data) else (f"{weights}: {UNSEALED}",)
        self.provider = _PROVIDERS.get(self._session.get_providers()[0], "CPU")
        self._bound: dict[int, BoundSession] = {}  # on a GPU, by number of pairs

    def logits(
        self, entire: npt.NDArray[np.uint8], puzzled: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        """(N, 3, 28, 28) uint8 features twice → (N, classes) float32 logits."""
        return self._run(entire, puzzled)[0]

    def _run(
        self, entire: npt.NDArray[np.uint8], puzzled: npt.NDArray[np.uint8]
    ) -> list[npt.NDArray[np.float32]]:
        """Logits, and the units' probabilities where the network has them."""
        feeds = {"entire": normalise(entire), "puzzled": normalise(puzzled)}
        if self.provider == "CPU":
            return [np.asarray(one, np.float32) for one in self._session.run(self._outputs, feeds)]
        pairs = len(entire)
        if pairs not in self._bound:
            self._bound = {pairs: BoundSession(self._session, pairs, "cuda", self._outputs)}
        return self._bound[pairs].run(feeds)

    def predict(self, entire: npt.NDArray[np.uint8], puzzled: npt.NDArray[np.uint8]) -> Prediction:
        """The same, as calibrated probabilities and evidence."""
        logits, *units = self._run(entire, puzzled)
        scaled = logits / self.info.temperature
        raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        classes = raised[:, : len(self.info.classes)]
        total = classes.sum(axis=1, keepdims=True)
        probabilities = classes / total
        evidence = (total / raised.sum(axis=1, keepdims=True))[:, 0]
        if not self.info.nothing:
            evidence = probabilities.max(axis=1)
        nothing_said = np.zeros((len(logits), 0, 2), np.float32)
        return Prediction(
            np.asarray(probabilities, np.float32),
            np.asarray(evidence, np.float32),
            units[0] if units else nothing_said,
        )

    def probabilities(
        self, entire: npt.NDArray[np.uint8], puzzled: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        """Only the probabilities of ``predict``: (N, classes)."""
        return self.predict(entire, puzzled).probabilities


def _probe() -> dict[str, npt.NDArray[np.float32]]:
    """Features of a pair in which nothing moves, and of one in which everything does."""
    ramp = np.arange(np.prod(FEATURE_SHAPE)).reshape(FEATURE_SHAPE) % 256
    features = np.stack([np.zeros(FEATURE_SHAPE, np.uint8), ramp.astype(np.uint8)])
    return {"entire": normalise(features), "puzzled": normalise(features[:, :, ::-1])}


def _check_shape(session: onnxruntime.InferenceSession, info: ModelInfo, where: str) -> None:
    inputs = {place.name for place in session.get_inputs()}
    outputs = {place.name: place.shape for place in session.get_outputs()}
    if inputs != {"entire", "puzzled"} or "logits" not in outputs:
        raise AtmeError(
            "unreadable",
            f"{where}: its network does not turn entire and puzzled into logits; export it again",
        )
    named = len(info.classes) + info.nothing
    found = outputs["logits"][-1] if outputs["logits"] else 0
    if found != named:
        raise AtmeError(
            "unreadable",
            f"{where}: its network has {found} classes and its metadata names {named}; export it again",
        )
    if info.units and outputs.get("units", [])[1:] != [len(info.units), 2]:
        raise AtmeError(
            "unreadable",
            f"{where}: its metadata names {len(info.units)} action units that its network does not "
            "have; export it again",
        )


def _wanted(weights: bytes) -> list[str | tuple[str, dict[str, str]]]:
    """Requesting a GPU where there is none prints native errors, so the driver is asked first."""
    offered = onnxruntime.get_available_providers()
    if not gpu_count():
        return ["CPUExecutionProvider"]
    options = {"TensorrtExecutionProvider": _tensorrt_options(weights)}
    return [(name, options.get(name, {})) for name in _PROVIDERS if name in offered]


def _tensorrt_options(weights: bytes) -> dict[str, str]:
    """Options for half precision, and for engines that are built once and cached.

    An engine belongs to one model (in the folder's name) and to one GPU, TensorRT version and precision
    (which ONNX Runtime puts into the file's name).
    """
    digest = hashlib.sha256(weights).hexdigest()[:16]
    folder = Path(user_cache_dir("atme-live")) / "tensorrt" / f"{onnxruntime.__version__}-{digest}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # no cache here: built anew each time
        return {"trt_fp16_enable": "1"}
    return {
        "trt_fp16_enable": "1",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
    }
