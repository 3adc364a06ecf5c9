"""Has the large matrices of an exported network multiplied in 8 bits, which takes an eighth of the time.

The file keeps every weight as it was: the network rounds them when it is loaded, so training can start from
the file. Of a product W x each input's weights are first brought to one range, which x makes up for, and
each output's then rounded to 127 steps on either side of zero. x is cut into 127 steps, and what is left
into 127 smaller ones, each row by itself, so that a sample's result does not depend on its batch. Two
products of 7 and 8 bits fit into 16: processors that add them up in 16 bits give the same as all others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_STEPS = 127
_TINY = 1e-6
"""Stands for the greatest value of a row of zeros."""


def multiply_in_eight_bits(graph: onnx.GraphProto, least: int) -> None:
    """Changes every product with a matrix of at least ``least`` numbers, in place.

    What is multiplied with it must not be negative; behind ReLU and sigmoid nothing is.
    """
    arrays = {one.name: one for one in graph.initializer}
    halves = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    for node in list(graph.node):
        if node.op_type != "Gemm":
            continue
        matrix = arrays.get(halves.get(node.input[1], node.input[1]))
        if matrix is not None and np.prod(matrix.dims) >= least:
            _Product(graph, node, numpy_helper.to_array(matrix).astype(np.float32)).replace()


class _Product:
    """``x`` (M, K) times the transposed ``matrix`` (N, K), plus a bias: a Gemm as torch exports it."""

    def __init__(self, graph: onnx.GraphProto, gemm: onnx.NodeProto, matrix: Any) -> None:
        self._graph, self._gemm, self._matrix = graph, gemm, matrix
        self._nodes: list[onnx.NodeProto] = []

    def replace(self) -> None:
        """Puts the nodes of the product in 8 bits where the Gemm was."""
        outputs, inputs = self._matrix.shape
        x, weights, bias = self._gemm.input
        range_of_input = np.maximum(np.abs(self._matrix).max(axis=0), _TINY)
        evened = self._matrix / range_of_input
        step = np.maximum(np.abs(evened).max(axis=1), _TINY) / _STEPS
        ranges = self._array("ranges", range_of_input)
        steps = self._array("steps", np.float32(_STEPS))

        even = self._node("Div", weights, ranges)
        zero = self._array("zero", np.zeros(outputs, np.int8))
        rounded = self._node("QuantizeLinear", even, self._array("step", step), zero, axis=0)
        right = self._node("Transpose", rounded, perm=[1, 0])

        wide = self._node("Mul", x, ranges)
        greatest = self._node("ReduceMax", wide, axes=[1], keepdims=1)
        peak = self._node("Clip", greatest, self._array("tiny", np.float32(_TINY)))
        whole = self._node("Mul", self._node("Div", wide, peak), steps)
        first = self._node("Cast", whole, to=TensorProto.UINT8)  # cuts off what is behind the point
        left = self._node("Sub", whole, self._node("Cast", first, to=TensorProto.FLOAT))
        nearest = self._node("Add", self._node("Mul", left, steps), self._array("half", np.float32(0.5)))
        second = self._node("Cast", nearest, to=TensorProto.UINT8)
        both = self._node("Concat", first, second, axis=1)
        rows = self._node("Reshape", both, self._array("rows", np.array([-1, inputs], np.int64)))

        sums = self._node("Cast", self._node("MatMulInteger", rows, right), to=TensorProto.FLOAT)
        pairs = self._node("Reshape", sums, self._array("pairs", np.array([-1, 2, outputs], np.int64)))
        parts = self._node("Mul", pairs, self._array("parts", np.array([[_STEPS], [1]], np.float32)))
        total = self._node("ReduceSum", parts, self._array("axis", np.array([1], np.int64)), keepdims=0)
        back = self._node("Mul", self._node("Mul", total, peak), self._array("back", step / _STEPS**2))
        self._node("Add", back, bias, output=self._gemm.output[0])
        self._insert()

    def _array(self, name: str, value: Any) -> str:
        kept = np.asarray(value, np.float32) if np.issubdtype(value.dtype, np.floating) else value
        whole = f"{self._gemm.output[0]}/eight_bits/{name}"
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(kept), whole))
        return whole

    def _node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{self._gemm.output[0]}/eight_bits/{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def _insert(self) -> None:
        place = list(self._graph.node).index(self._gemm)
        self._graph.node.remove(self._gemm)
        for k, node in enumerate(self._nodes):
            self._graph.node.insert(place + k, node)
