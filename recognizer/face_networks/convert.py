"""Turns one of MediaPipe's face networks from TensorFlow Lite into ONNX: same weights, same numbers.

ONNX Runtime is fast where it can keep a network in its blocked layout, which only a few operators support.
PReLU and the padding of channels are not among them, so both are written as convolutions here; that alone
reduces the mesh's time from 1.8 times MediaPipe's to 0.7 times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]
_DTYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
_OPSET, _IR_VERSION = 17, 9
"""Supported by every ONNX Runtime from 1.20 on."""


def convert(network: bytes) -> bytes:
    """A TensorFlow Lite file → an ONNX file that takes ``image``, (1, 3, height, width) float32.

    Outputs keep their names; those with four axes are (1, channels, height, width), too. ValueError for an
    operator that neither face network has.
    """
    return bytes(_Conversion(tflite.Model.GetRootAs(network)).model().SerializeToString())


class _Conversion:
    """Converts operator by operator; tensors are (N, H, W, C) before and (N, C, H, W) afterwards."""

    def __init__(self, model: Any) -> None:
        self._model, self._graph = model, model.Subgraphs(0)
        self._constants = {
            index: constant
            for index in range(self._graph.TensorsLength())
            if (constant := self._constant(index)) is not None
        }
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        """The converted network."""
        for position in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(position)
            code = self._model.OperatorCodes(operator.OpcodeIndex())
            name = tflite.opcode2name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
            if name not in _WRITERS:
                raise ValueError(f"no face network of MediaPipe 0.10.21: it has the operator {name}")
            inputs = operator.InputsAsNumpy().tolist()
            _WRITERS[name](self, operator, inputs, operator.Outputs(0))
        (image,) = self._graph.InputsAsNumpy().tolist()
        outputs = self._graph.OutputsAsNumpy().tolist()
        graph = helper.make_graph(
            [helper.make_node("Identity", ["image"], [self._name(image)]), *self._nodes],
            "face network",
            [self._described("image", image)],
            [self._described(self._name(one), one) for one in outputs],
            self._weights,
        )
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)

    def _described(self, name: str, index: int) -> onnx.ValueInfoProto:
        shape = self._shape(index)
        if len(shape) == 4:
            shape = [shape[0], shape[3], *shape[1:3]]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    # --- operators

    def convolution(self, operator: Any, inputs: list[int], output: int) -> None:
        """Weights (out, H, W, in) → (out, in, H, W)."""
        options = _options(operator, tflite.Conv2DOptions)
        self._convolve(options, inputs, output, self._constants[inputs[1]].transpose(0, 3, 1, 2), 1)

    def depthwise(self, operator: Any, inputs: list[int], output: int) -> None:
        """Weights (1, H, W, channels) → (channels, 1, H, W)."""
        options = _options(operator, tflite.DepthwiseConv2DOptions)
        weights = self._constants[inputs[1]].transpose(3, 0, 1, 2)
        self._convolve(options, inputs, output, weights, len(weights))

    def max_pool(self, operator: Any, inputs: list[int], output: int) -> None:
        """Maximum of each window."""
        options = _options(operator, tflite.Pool2DOptions)
        window = (options.FilterHeight(), options.FilterWidth())
        stride = (options.StrideH(), options.StrideW())
        pads = self._pads(options, inputs[0], output, window, stride)
        self._add("MaxPool", inputs[:1], output, kernel_shape=window, strides=stride, pads=pads)

    def prelu(self, _: Any, inputs: list[int], output: int) -> None:
        """a x + (1 - a) ReLU(x), as depthwise convolutions; where no slope exceeds 1, a x + ReLU((1 - a) x),
        because a ReLU after a convolution costs nothing."""
        slopes = self._constants[inputs[1]].reshape(-1)
        source, result = self._name(inputs[0]), self._name(output)
        bent, scaled = f"{result} bent", f"{result} scaled"
        if (slopes <= 1).all():
            self._scale(source, f"{bent} before", 1 - slopes)
            self._nodes.append(helper.make_node("Relu", [f"{bent} before"], [bent]))
        else:
            self._nodes.append(helper.make_node("Relu", [source], [f"{bent} before"]))
            self._scale(f"{bent} before", bent, 1 - slopes)
        self._scale(source, scaled, slopes)
        self._nodes.append(helper.make_node("Add", [scaled, bent], [result]))

    def relu(self, _: Any, inputs: list[int], output: int) -> None:
        """max(x, 0)."""
        self._add("Relu", inputs, output)

    def add(self, _: Any, inputs: list[int], output: int) -> None:
        """Two tensors of one shape."""
        self._add("Add", inputs, output)

    def pad_channels(self, _: Any, inputs: list[int], output: int) -> None:
        """Appends channels of zeros, as a 1×1 convolution."""
        if self._constants[inputs[1]][:3].any():
            raise ValueError("no face network of MediaPipe 0.10.21: it pads more than channels")
        before, after = self._shape(inputs[0])[3], self._shape(output)[3]
        weights = np.eye(after, before, dtype=np.float32)[:, :, None, None]
        names = [self._name(inputs[0]), self._keep(f"{self._name(output)} weights", weights)]
        self._nodes.append(helper.make_node("Conv", names, [self._name(output)], kernel_shape=(1, 1)))

    def reshape(self, _: Any, inputs: list[int], output: int) -> None:
        """The original order of numbers: channels last."""
        result = self._name(output)
        last = f"{result} channels last"
        self._nodes.append(helper.make_node("Transpose", [self._name(inputs[0])], [last], perm=(0, 2, 3, 1)))
        shape = self._keep(f"{result} shape", np.array(self._shape(output), np.int64))
        self._nodes.append(helper.make_node("Reshape", [last, shape], [result]))

    def concatenate(self, _: Any, inputs: list[int], output: int) -> None:
        """Along axis 1; only for outputs of ``reshape``."""
        self._add("Concat", inputs, output, axis=1)

    def dequantise(self, _: Any, inputs: list[int], output: int) -> None:
        """Weights in half precision → single."""
        self._constants[output] = self._constants[inputs[0]].astype(np.float32)

    # --- shared by the operators

    def _convolve(self, options: Any, inputs: list[int], output: int, weights: Array, group: int) -> None:
        if options.FusedActivationFunction() != tflite.ActivationFunctionType.NONE:
            raise ValueError("no face network of MediaPipe 0.10.21: a convolution with an activation")
        window, stride = weights.shape[2:], (options.StrideH(), options.StrideW())
        name = self._name(output)
        names = [self._name(inputs[0]), self._keep(f"{name} weights", weights)]
        names.append(self._keep(f"{name} bias", self._constants[inputs[2]]))
        pads = self._pads(options, inputs[0], output, window, stride)
        self._nodes.append(
            helper.make_node(
                "Conv", names, [name], kernel_shape=window, strides=stride, pads=pads, group=group
            )
        )

    def _scale(self, source: str, result: str, factors: Array) -> None:
        names = [source, self._keep(f"{result} weights", factors[:, None, None, None])]
        self._nodes.append(helper.make_node("Conv", names, [result], kernel_shape=(1, 1), group=len(factors)))

    def _pads(
        self, options: Any, source: int, output: int, window: Sequence[int], stride: Sequence[int]
    ) -> list[int]:
        """Top, left, bottom, right. An odd pixel of SAME padding goes to the bottom and the right."""
        if options.Padding() == tflite.Padding.VALID:
            return [0, 0, 0, 0]
        before, after = self._shape(source)[1:3], self._shape(output)[1:3]
        whole = [max((after[k] - 1) * stride[k] + window[k] - before[k], 0) for k in (0, 1)]
        return [*(one // 2 for one in whole), *(one - one // 2 for one in whole)]

    def _add(self, kind: str, inputs: Sequence[int], output: int, **attributes: Any) -> None:
        names = [self._name(one) for one in inputs]
        self._nodes.append(helper.make_node(kind, names, [self._name(output)], **attributes))

    def _keep(self, name: str, weights: Array) -> str:
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(weights), name))
        return name

    def _name(self, index: int) -> str:
        return str(self._graph.Tensors(index).Name().decode())

    def _shape(self, index: int) -> list[int]:
        return [int(side) for side in self._graph.Tensors(index).ShapeAsNumpy()]

    def _constant(self, index: int) -> Array | None:
        tensor = self._graph.Tensors(index)
        data = self._model.Buffers(tensor.Buffer())
        if not data.DataLength():
            return None
        return np.frombuffer(data.DataAsNumpy().tobytes(), _DTYPES[tensor.Type()]).reshape(self._shape(index))


def _options(operator: Any, kind: Callable[[], Any]) -> Any:
    options, table = kind(), operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


_WRITERS: dict[str, Callable[[_Conversion, Any, list[int], int], None]] = {
    "ADD": _Conversion.add,
    "CONCATENATION": _Conversion.concatenate,
    "CONV_2D": _Conversion.convolution,
    "DEPTHWISE_CONV_2D": _Conversion.depthwise,
    "DEQUANTIZE": _Conversion.dequantise,
    "MAX_POOL_2D": _Conversion.max_pool,
    "PAD": _Conversion.pad_channels,
    "PRELU": _Conversion.prelu,
    "RELU": _Conversion.relu,
    "RESHAPE": _Conversion.reshape,
}
