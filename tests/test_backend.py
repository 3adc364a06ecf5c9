"""The network, its ONNX file, and the backend that runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from user_errors import raises

from recognizer.errors import ErrorCode
from recognizer.feature import normalise
from recognizer.machine.gpu import gpu_count
from recognizer.network import backend
from recognizer.network.backend import DEFAULT_WEIGHTS, Backend, BoundSession
from recognizer.network.model import Cbam, DualAtme, Inception, ModelConfig, bi_inception
from recognizer.network.model_info import KEY, PREPROCESSING, ModelInfo
from training.learning.export import export

ROOT = Path(__file__).resolve().parents[1]


def features(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, 256, (n, 3, 28, 28), np.uint8) for _ in range(2))


def with_metadata(source: Path, target: Path, text: str | None) -> Path:
    """The same network with other metadata (None: with none)."""
    graph = onnx.load(str(source))
    del graph.metadata_props[:]
    if text is not None:
        entry = graph.metadata_props.add()
        entry.key, entry.value = KEY, text
    onnx.save(graph, str(target))
    return target


# --- the network of method.md §5


def test_shapes_are_the_papers(model):
    x = torch.zeros(2, 3, 28, 28)
    block, pool, second, pool2 = bi_inception(6)
    assert pool(block(x)).shape == (2, 24, 14, 14)
    assert pool2(second(pool(block(x)))).shape == (2, 48, 7, 7)
    assert Inception(3, 6)(x).shape == (2, 24, 28, 28)
    entire, puzzled = model.embed(x, x)
    assert entire.shape == puzzled.shape == (2, 48, 7, 7)
    flat = torch.cat([entire, puzzled], dim=1).flatten(1)
    assert flat.shape == (2, 4704)
    linear = [layer for layer in model.classifier if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(4704, 1024), (1024, 3)]
    assert model(x, x).shape == (2, 3)


def test_the_branches_share_no_weights_and_only_the_face_has_attention(model):
    entire, puzzled = ({id(p) for p in part.parameters()} for part in (model.entire, model.puzzled))
    assert not entire & puzzled
    assert sum(isinstance(part, Cbam) for part in model.entire.modules()) == 1
    assert not any(isinstance(part, Cbam) for part in model.puzzled.modules())


def test_attention_keeps_the_shape_and_only_weakens():
    torch.manual_seed(0)
    x = torch.rand(2, 48, 7, 7)
    seen = Cbam(48, 16)(x)
    assert seen.shape == x.shape
    assert (seen >= 0).all()
    assert (seen <= x).all()
    assert (seen < 0.99 * x).any()


def test_every_convolution_has_batch_norm_and_relu(model):
    for branch in (*model.entire[0], *model.puzzled):
        convolutions = [part for part in branch.modules() if isinstance(part, torch.nn.Conv2d)]
        norms = [part for part in branch.modules() if isinstance(part, torch.nn.BatchNorm2d)]
        assert [c.out_channels for c in convolutions] == [n.num_features for n in norms]


# --- torch and ONNX Runtime


@pytest.mark.parametrize("n", [1, 5])
def test_onnx_runtime_gives_torchs_logits(model, untrained, n):
    entire, puzzled = features(n)
    with torch.no_grad():
        expected = model(torch.from_numpy(normalise(entire)), torch.from_numpy(normalise(puzzled))).numpy()
    found = Backend(untrained).logits(entire, puzzled)
    assert found.shape == (n, 3)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= 1e-4
    assert np.ptp(expected) > 0.05, "logits this alike would hide a difference"


def test_a_bound_session_gives_the_same_and_keeps_what_it_gave(untrained):
    session = onnxruntime.InferenceSession(str(untrained), providers=["CPUExecutionProvider"])
    bound = BoundSession(session, 2, "cpu")
    feeds = [
        dict(zip(("entire", "puzzled"), (normalise(x[k : k + 2]) for x in features(4)), strict=True))
        for k in (0, 2)
    ]
    found = [bound.run(feed) for feed in feeds]
    for feed, (logits,) in zip(feeds, found, strict=True):
        np.testing.assert_array_equal(logits, session.run(["logits"], feed)[0])


def test_which_branch_is_which_survives_the_export(untrained):
    backend = Backend(untrained)
    entire, puzzled = features(4)
    assert np.abs(backend.logits(entire, puzzled) - backend.logits(puzzled, entire)).max() > 1e-3


def test_probabilities_are_the_softmax_at_the_models_temperature(untrained, tmp_path):
    info = replace(Backend(untrained).info, temperature=2.5)
    backend = Backend(with_metadata(untrained, tmp_path / "warm.onnx", info.to_json()))
    entire, puzzled = features(6)
    logits = backend.logits(entire, puzzled).astype(float)
    raised = np.exp(logits / 2.5)
    expected = raised / raised.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(backend.probabilities(entire, puzzled), expected, atol=1e-6)


def test_huge_logits_do_not_overflow(untrained, tmp_path):
    info = replace(Backend(untrained).info, temperature=1e-4)
    backend = Backend(with_metadata(untrained, tmp_path / "cold.onnx", info.to_json()))
    found = backend.probabilities(*features(6))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_metadata_travels_in_the_file(untrained):
    info = Backend(untrained).info
    assert info == ModelInfo("untrained", trained_on="nothing", command="none")
    assert ModelInfo.from_json(info.to_json(), "here") == info


def test_the_default_weights_serve_this_program():
    if not DEFAULT_WEIGHTS.is_file():
        pytest.skip("no default weights yet: atme-train makes them")
    backend = Backend()
    assert backend.info.preprocessing == PREPROCESSING
    assert backend.info.classes == ("negative", "positive", "surprise")
    assert backend.info.command.startswith("atme-train")
    assert backend.probabilities(*features(2)).shape == (2, 3)


def test_says_what_it_runs_on_and_prints_nothing(weights):
    """Native libraries write to file descriptor 2; over the overlay that would be seen."""
    code = "import pathlib, sys; from recognizer.network.backend import Backend; "
    code += "print(Backend(pathlib.Path(sys.argv[1])).provider)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(weights)],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    if gpu_count():
        assert done.stdout.strip() in ("TensorRT", "CUDA", "CPU")
    else:
        assert done.stdout.strip() == "CPU"


# --- files that are no weights


def good_metadata(**changes) -> str:
    return json.dumps({**asdict(ModelInfo("m", "t", "c")), **changes})


def without(key: str) -> str:
    whole = asdict(ModelInfo("m", "t", "c"))
    del whole[key]
    return json.dumps(whole)


def refused(path: Path, *parts: object, code: ErrorCode = "unreadable") -> None:
    with raises(code, *parts) as caught:
        Backend(path)
    assert len(str(caught.value)) < 400
    assert str(caught.value).startswith(str(path))


def test_a_missing_file(tmp_path):
    refused(tmp_path / "none.onnx", code="not-found")
    refused(tmp_path, code="not-found")


@pytest.mark.parametrize("content", ["empty", "text", "truncated", "flipped"])
def test_a_damaged_file(untrained, tmp_path, content):
    data = bytearray(untrained.read_bytes())
    if content == "empty":
        data = bytearray()
    elif content == "text":
        data = bytearray(b"these are not the weights you are looking for\n" * 40)
    elif content == "truncated":
        data = data[: len(data) // 2]
    else:
        data[0:64] = bytes(255 - byte for byte in data[0:64])
    path = tmp_path / "bad.onnx"
    path.write_bytes(data)
    refused(path)


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        (None, ""),
        ("{", ""),
        ("[]", ""),
        ("7", ""),
        (without("classes"), "classes"),
        (good_metadata(preprocessing=PREPROCESSING + 1), f"version {PREPROCESSING + 1},"),
        (good_metadata(preprocessing="1"), "preprocessing"),
        (good_metadata(temperature="warm"), "temperature"),
        (good_metadata(temperature=0), "temperature"),
        (good_metadata(temperature=float("nan")), "temperature"),
        (good_metadata(working_size="large"), "working_size"),
        (good_metadata(working_size=8), "working_size"),
        (good_metadata(refusal=None), "refusal"),
        (good_metadata(flow="farneback"), "farneback"),
        (good_metadata(classes=["a", "b"]), "classes"),
        (good_metadata(classes=7), ""),
    ],
)
def test_metadata_that_does_not_fit(untrained, tmp_path, metadata, named):
    refused(with_metadata(untrained, tmp_path / "foreign.onnx", metadata), named)


def test_a_foreign_network_with_our_metadata(tmp_path):
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 4])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "foreign", [x], [y])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), str(tmp_path / "plain.onnx"))
    refused(tmp_path / "plain.onnx")
    path = with_metadata(tmp_path / "plain.onnx", tmp_path / "dressed.onnx", good_metadata())
    refused(path, "entire")


def test_evidence_is_what_is_left_beside_no_emotion(tmp_path: Path) -> None:
    torch.manual_seed(0)
    info = ModelInfo("four", trained_on="nothing", command="none", nothing=True, temperature=0.5)
    export(DualAtme(ModelConfig(classes=4)).eval(), info, tmp_path / "four.onnx")
    backend = Backend(tmp_path / "four.onnx")
    logits = torch.from_numpy(backend.logits(*features(5))) / 0.5
    prediction = backend.predict(*features(5))
    np.testing.assert_allclose(prediction.evidence, 1 - logits.softmax(dim=1)[:, 3].numpy(), atol=1e-6)
    np.testing.assert_allclose(prediction.probabilities, logits[:, :3].softmax(dim=1).numpy(), atol=1e-6)


def test_tensorrt_keeps_its_engines_by_model(tmp_path, monkeypatch):
    """The options alone: a GPU is needed for more."""
    monkeypatch.setattr(backend, "user_cache_dir", lambda name: str(tmp_path / name))
    monkeypatch.setattr(backend, "gpu_count", lambda: 1)
    folders = set()
    for weights in (b"one model", b"another model", b"one model"):
        wanted = dict(backend._wanted(weights))
        options = wanted.get("TensorrtExecutionProvider") or backend._tensorrt_options(weights)
        assert options["trt_fp16_enable"] == options["trt_engine_cache_enable"] == "1"
        assert Path(options["trt_engine_cache_path"]).is_dir()
        folders.add(options["trt_engine_cache_path"])
    assert len(folders) == 2
    monkeypatch.setattr(backend, "gpu_count", lambda: 0)
    assert backend._wanted(b"") == ["CPUExecutionProvider"]
