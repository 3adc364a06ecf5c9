"""ONNX files as untrusted input: sealed with a digest, and opened only if nothing in them can do harm.

The seal is an ordinary entry ``sha256`` of the file's metadata, the last thing in the file, and covers every
byte before it. A file that has changed anywhere since it was written is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.errors import AtmeError, read_code
from recognizer.network.onnx_runtime import onnxruntime, session_options

SEAL = "sha256"
UNSEALED = "carries no digest, so damage to it may go unseen; export it again with this version"
MOST_BYTES = 200_000_000
"""Far larger than any weights of this program."""
MOST = 2**15
"""Largest number allowed as an operator's attribute: of padding, kernel, stride, axis."""
# Field 14 of a model (metadata_props) with 74 bytes: field 1 (the key) and field 2 (the value, 64 bytes). In
# protobuf a field that is appended to the bytes of a message is one more entry of a repeated field.
_BEGINS = b"\x72\x4a\x0a\x06" + SEAL.encode() + b"\x12\x40"
_LENGTH = len(_BEGINS) + 64

_OF_A_RECOGNIZER = """
    Add AveragePool BatchNormalization Cast Clip Concat Constant Conv Div Exp Flatten Gemm
    GlobalAveragePool GlobalMaxPool Identity MatMul MatMulInteger MaxPool Mul Neg QuantizeLinear
    ReduceLogSumExp ReduceMax ReduceMean ReduceSum Relu Reshape Shape Sigmoid Slice Sqrt Sub TopK Transpose
"""
OPERATORS = frozenset(_OF_A_RECOGNIZER.split())
"""Operators of a recognizer's network. None of them can blow up a small input, or loop."""


def sealed(data: bytes) -> bytes:
    """An ONNX file's bytes with their digest at the end."""
    return data + _seal(data)


def _seal(data: bytes | memoryview) -> bytes:
    return _BEGINS + hashlib.sha256(data).hexdigest().encode()


def read_weights(path: Path) -> bytes:
    """The bytes of an ONNX file. AtmeError where it carries a seal that does not fit."""
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MOST_BYTES else b""
    except OSError as error:
        raise AtmeError(
            read_code(error), f"{path}: cannot be read ({error.strerror}); give an .onnx file"
        ) from None
    if size > MOST_BYTES:
        raise AtmeError(
            "unreadable",
            f"{path}: too large for weights ({size / 1e6:.0f} MB); give an .onnx file of atme-train",
        )
    if is_sealed(data) and _seal(memoryview(data)[:-_LENGTH]) != data[-_LENGTH:]:
        raise AtmeError(
            "unreadable", f"{path}: damaged, its digest does not fit its content; copy or export it again"
        )
    return data


def is_sealed(data: bytes) -> bool:
    """Whether the data ends with a digest."""
    return data[-_LENGTH:].startswith(_BEGINS) and len(data) > _LENGTH


def open_network(
    data: bytes,
    where: Path,
    options: onnxruntime.SessionOptions,
    providers: Sequence[str | tuple[str, dict[str, str]]] = ("CPUExecutionProvider",),
) -> onnxruntime.InferenceSession:
    """A session of the network in ``data``. AtmeError, naming ``where``, where it cannot be read, or where
    its metadata says that it was sealed but its end is missing."""
    try:
        session = onnxruntime.InferenceSession(data, options, providers=list(providers))
    except Exception as error:  # onnxruntime raises several types of its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AtmeError(
            "unreadable", f"{where}: not a readable ONNX model ({reason}); get or export it again"
        ) from None
    if SEAL in session.get_modelmeta().custom_metadata_map and not is_sealed(data):
        raise AtmeError(
            "unreadable", f"{where}: was changed after it was written; export it again with atme-train"
        )
    return session


def check_harmless(
    data: bytes, where: Path, what: str = "a readable ONNX model", operators: frozenset[str] = OPERATORS
) -> None:
    """AtmeError, "not ``what``", for a network that reads other files, defines operators, uses any but
    ``operators``, loops, or blows up.

    Unnecessary for the weights that come with the program; it costs the import of ``onnx``.
    """
    import onnx

    try:
        model = onnx.load_model_from_string(data)
        reason = _harm(model, operators) if data else "it is empty"
    except Exception as error:  # protobuf's and onnx's own
        reason = type(error).__name__
    if reason:
        raise AtmeError(
            "unreadable", f"{where}: not {what} ({reason}); get it again, or make it with atme-train"
        )


def _harm(model: Any, operators: frozenset[str]) -> str:
    from onnx import AttributeProto, TensorProto

    graph = model.graph
    if model.functions or any(one.domain not in ("", "ai.onnx") for one in model.opset_import):
        return "it defines operators of its own"
    tensors = [*graph.initializer]
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in operators:
            return f"the operator {node.op_type!r:.40}"
        for attribute in node.attribute:
            if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
                return "a network within the network"
            tensors += [attribute.t] if attribute.type == AttributeProto.TENSOR else []
            if any(abs(number) > MOST for number in (attribute.i, *attribute.ints)):
                return f"{node.op_type} with an excessive {attribute.name!r:.40}"
    if graph.sparse_initializer or any(one.data_location == TensorProto.EXTERNAL for one in tensors):
        return "its weights are in another file"
    return ""


@dataclass(frozen=True)
class Opened:
    """A network whose file was checked."""

    session: onnxruntime.InferenceSession
    about: Mapping[str, str]
    """Its metadata."""
    notes: tuple[str, ...]
    """What the user should know of the file."""


def open_checked(path: Path, shipped: Path, what: str, operators: frozenset[str], command: str) -> Opened:
    """The network of ``path``, which is ``what``, for one thread on the processor.

    AtmeError where the file is missing (``command`` makes another), damaged, or does more than ``operators``;
    the ``shipped`` one is trusted.
    """
    if not path.is_file():
        raise AtmeError("not-found", f"{path}: no such file; train {what} with {command}")
    data = read_weights(path)
    if path != shipped:
        check_harmless(data, path, what, operators)
    session = open_network(data, path, session_options())
    about = session.get_modelmeta().custom_metadata_map
    return Opened(session, about, () if is_sealed(data) else (f"{path}: {UNSEALED}",))


def run_probe(
    session: onnxruntime.InferenceSession,
    outputs: Sequence[str],
    feeds: Mapping[str, npt.NDArray[np.float32]],
    where: Path,
) -> list[npt.NDArray[np.float32]]:
    """The network's outputs for ``feeds``; AtmeError where it cannot be run, or they are not finite."""
    try:
        found = [np.asarray(one, np.float32) for one in session.run(list(outputs), dict(feeds))]
    except Exception as error:  # onnxruntime's own types
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AtmeError(
            "unreadable", f"{where}: its network cannot be run ({reason}); export it again"
        ) from None
    if not all(np.isfinite(one).all() for one in found):
        raise AtmeError(
            "unreadable", f"{where}: damaged, its network's numbers are not finite; train or export it again"
        )
    return found
