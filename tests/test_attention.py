"""The attention map that is taken out of the ONNX file is the network's own, of the pair as it is."""

from __future__ import annotations

import numpy as np
import pytest

from recognizer.feature import normalise
from recognizer.network.attention import Attention
from recognizer.network.backend import DEFAULT_WEIGHTS


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (2, 3, 28, 28), np.uint8)


def test_the_map_is_what_the_network_computes_on_its_way(model, untrained, features):
    import torch

    seen = []
    hook = model.entire[1].spatial.register_forward_hook(lambda _, __, out: seen.append(torch.sigmoid(out)))
    with torch.no_grad():
        model(*(torch.from_numpy(normalise(one[None])) for one in features))
    hook.remove()
    found = Attention(untrained).map(*features)
    assert found.shape == (7, 7)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, seen[0][0, 0].numpy(), atol=1e-4)


@pytest.mark.skipif(not DEFAULT_WEIGHTS.is_file(), reason="no weights yet")
def test_weights_that_average_over_the_mirrored_pair_show_the_pair_as_it_is(features):
    """Motion in one corner changes the map most there, not in the mirrored corner."""
    attention = Attention()
    still = np.full((3, 28, 28), 128, np.uint8)
    moved = still.copy()
    moved[:, :8, :8] = features[0, :, :8, :8]
    change = np.abs(attention.map(moved, still) - attention.map(still, still))
    row, column = np.unravel_index(change.argmax(), change.shape)
    assert row < 3
    assert column < 3


def test_a_network_without_a_map_gives_none(tmp_path, features):
    import onnx
    from onnx import TensorProto, helper

    shape = ["n", 3, 28, 28]
    places = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("entire", "puzzled")]
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)
    graph = helper.make_graph(
        [helper.make_node("Add", ["entire", "puzzled"], ["logits"])], "g", places, [out]
    )
    onnx.save(helper.make_model(graph), str(tmp_path / "plain.onnx"))
    assert Attention(tmp_path / "plain.onnx").map(*features) is None
