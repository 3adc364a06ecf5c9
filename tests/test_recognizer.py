"""Two images in, a label out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from user_errors import raises

from recognizer import CLASSES, UNCERTAIN, NoFaceError, Recognizer
from recognizer.explain import explain
from recognizer.network.backend import DEFAULT_WEIGHTS
from recognizer.network.model_info import KEY, ModelInfo

UNITS = {
    "negative": ((4, 0.009, 0.009),),
    "positive": ((12, 0.009, 0.009), (6, 0.0045, 0.0045)),
    "surprise": ((1, 0.009, 0.009), (2, 0.009, 0.009)),
}


@pytest.fixture(scope="module")
def recognizer(weights):
    with Recognizer(weights) as made:
        yield made


def test_label_probabilities_and_times_of_a_pair(recognizer, portrait, moved):
    result = recognizer.recognize(portrait.image, moved(*UNITS["positive"]))
    assert tuple(result.probabilities) == CLASSES
    assert sum(result.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert all(isinstance(share, float) and 0 <= share <= 1 for share in result.probabilities.values())
    assert result.confidence == max(result.probabilities.values())
    assert result.label in (*CLASSES, UNCERTAIN)
    if result.label != UNCERTAIN:
        assert result.probabilities[result.label] == result.confidence
    assert list(result.stage_ms) == ["landmarks", "crop", "flow", "model"]
    assert all(ms > 0 for ms in result.stage_ms.values())


@pytest.mark.parametrize("label", CLASSES)
def test_the_default_weights_know_plain_expressions(portrait, moved, label):
    if not DEFAULT_WEIGHTS.is_file():
        pytest.skip("no default weights yet: atme-train makes them")
    with Recognizer() as trained:
        result = trained.recognize(portrait.image, moved(*UNITS[label]))
    assert result.label == label, result.probabilities


def test_the_same_pair_gets_the_same_answer(recognizer, portrait, moved):
    pair = portrait.image, moved(*UNITS["surprise"])
    first = recognizer.recognize(*pair)
    recognizer.recognize(portrait.image, portrait.image)
    again = recognizer.recognize(*pair)
    assert (again.label, again.probabilities) == (first.label, first.probabilities)


@pytest.mark.parametrize(("refusal", "named"), [(1.0, False), (0.0, True)])
def test_declines_below_the_models_threshold(untrained, tmp_path, portrait, refusal, named):
    info = replace(ModelInfo("strict", "nothing", "none"), refusal=refusal)
    graph = onnx.load(str(untrained))
    del graph.metadata_props[:]
    entry = graph.metadata_props.add()
    entry.key, entry.value = KEY, info.to_json()
    onnx.save(graph, str(tmp_path / "strict.onnx"))
    with Recognizer(str(tmp_path / "strict.onnx")) as strict:
        result = strict.recognize(portrait.image, portrait.image)
    assert result.confidence < 1
    assert (result.label != UNCERTAIN) == named
    assert sum(result.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_a_blink_is_uncertain_in_either_direction(blink):
    with Recognizer() as trained:
        for pair in (blink, blink[::-1]):
            result = trained.recognize(*pair)
            assert (result.label, result.evidence) == (UNCERTAIN, 0)
            assert sum(result.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_no_face_and_unlike_sizes_pass_through(recognizer, portrait):
    with pytest.raises(NoFaceError):
        recognizer.recognize(np.zeros_like(portrait.image), portrait.image)
    with raises("invalid", "640×480", "638×480"):
        recognizer.recognize(portrait.image, portrait.image[:, :-2])


def test_the_explanation_shows_both_branches(recognizer, portrait, moved):
    features = recognizer.extractor.extract(portrait.image, moved(*UNITS["positive"]))
    picture = explain(features, recognizer.recognize_features(features))
    assert picture.dtype == np.uint8
    height, width = picture.shape[:2]
    assert picture.shape[2] == 3
    assert 900 <= width <= 1400
    assert 450 <= height <= 700
    tiles = picture.reshape(height, 5, width // 5, 3)[: height - 64]
    assert (tiles.std(axis=(0, 2, 3)) > 5).all(), "a tile is empty"
    # Nothing moved: it must still be drawn.
    still = recognizer.extractor.extract(portrait.image, portrait.image)
    assert explain(still, recognizer.recognize_features(still)).shape == picture.shape


def test_leaving_twice_does_no_harm(weights):
    with Recognizer(weights) as made:
        made.close()
