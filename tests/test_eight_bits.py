"""The large matrix of an exported network, multiplied in 8 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from recognizer.network.model import DualAtme, ModelConfig
from recognizer.network.model_info import ModelInfo
from recognizer.network.onnx_runtime import onnxruntime
from recognizer.network.weights_file import check_harmless
from training.learning import export as exporting
from training.learning.eight_bits import multiply_in_eight_bits
from training.learning.export import export, traced
from training.learning.pretrain import FlipAveraged
from training.learning.unit_head import mirror, with_mirrored

K, N = 96, 40


@pytest.fixture
def matrix(tmp_path):
    """Torch's layer, and a function that runs its 8-bit product."""
    torch.manual_seed(0)
    layer = nn.Linear(K, N)
    graph = traced(layer, {"x": torch.zeros(2, K)}, ["y"], tmp_path / "layer.onnx")
    multiply_in_eight_bits(graph.graph, K * N)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return layer, lambda x: session.run(["y"], {"x": np.asarray(x, np.float32)})[0]


def test_the_product_is_what_the_rounded_numbers_give(matrix):
    """In whole numbers, nearly as large as can be: a sum cut off at 16 bits would show."""
    layer, product = matrix
    weights, bias = (part.detach().numpy().astype(float) for part in (layer.weight, layer.bias))
    ranges = np.abs(weights).max(axis=0)
    step = np.abs(weights / ranges).max(axis=1) / 127
    x = np.random.default_rng(0).uniform(0.9, 1, (5, K)) / ranges
    peak = (x * ranges).max(axis=1, keepdims=True)
    whole = 127 * (x * ranges) / peak
    rounded = np.rint((whole - np.floor(whole)) * 127) / 127 + np.floor(whole)
    expected = rounded @ np.rint(weights / ranges / step[:, None]).T * step * peak / 127
    np.testing.assert_allclose(product(x), expected + bias, atol=2e-3)


def test_it_is_near_the_exact_product_and_a_row_depends_on_itself_alone(matrix):
    layer, product = matrix
    x = np.random.default_rng(1).exponential(1, (6, K)) * np.array([[1e-3], [1], [50], [0], [1], [1]])
    with torch.no_grad():
        exact = layer(torch.from_numpy(x).float()).numpy()
    found = product(x)
    size = np.abs(x).max(axis=1, keepdims=True)
    assert (np.abs(found - exact) <= 0.01 * size + 1e-6).all()
    for k in range(len(x)):
        np.testing.assert_array_equal(product(x[k : k + 1])[0], found[k])


def exported(path: Path) -> dict[str, onnx.ModelProto]:
    torch.manual_seed(0)
    model = FlipAveraged(DualAtme(ModelConfig())).eval()
    export(model, ModelInfo("m", trained_on="nothing", command="none"), path)
    graph = onnx.load(str(path)).graph
    kept = next(one for one in graph.initializer if one.name.endswith("1.weight_half"))
    weight = numpy_helper.to_array(kept)
    np.testing.assert_array_equal(weight, model.model.classifier[1].weight.detach().numpy())
    return graph


def test_an_exported_network_multiplies_once_for_both_and_keeps_its_weights(tmp_path):
    graph = exported(tmp_path / "m.onnx")
    assert sum(node.op_type == "MatMulInteger" for node in graph.node) == 1
    check_harmless((tmp_path / "m.onnx").read_bytes(), tmp_path / "m.onnx")


def test_a_network_that_8_bits_would_change_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "COARSE", 0.0)
    graph = exported(tmp_path / "m.onnx")
    assert not any(node.op_type == "MatMulInteger" for node in graph.node)


def test_both_ways_to_ask_about_mirror_images_agree(monkeypatch):
    torch.manual_seed(0)
    model = DualAtme().eval()
    inputs = torch.rand(3, 3, 28, 28), torch.rand(3, 3, 28, 28)
    with torch.no_grad():
        plain = with_mirrored(model, *inputs)
        monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
        batched = with_mirrored(model, *inputs)
        torch.testing.assert_close(plain[1], model(*map(mirror, inputs)))
    for one, other in zip(plain, batched, strict=True):
        torch.testing.assert_close(one, other)
