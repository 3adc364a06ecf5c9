"""Weights that are damaged, changed or hostile are refused at load, in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from user_errors import raises

from recognizer import UNCERTAIN, Recognizer
from recognizer.network.backend import DEFAULT_WEIGHTS, Backend
from recognizer.network.model_info import KEY
from recognizer.network.weights_file import is_sealed, sealed
from spotting.apexes.detector import DEFAULT_DETECTOR, ApexDetector
from spotting.classifier import DEFAULT_CLASSIFIER, EVIDENCE_KEY, CandidateClassifier
from stream.session import Session
from stream.settings import RecognizerConfig, Settings

WEIGHTS = [
    (DEFAULT_WEIGHTS, Backend),
    (DEFAULT_CLASSIFIER, CandidateClassifier),
    (DEFAULT_DETECTOR, ApexDetector),
]


def refused(load, path: Path) -> None:
    with raises("unreadable") as caught:
        load(path)
    assert str(caught.value).startswith(str(path))


def changed(original: Path, path: Path, change, seal: bool = True) -> Path:
    """``original`` with its parsed model changed, sealed again: as if a program of its own had written it."""
    model = onnx.load(str(original))
    kept = [entry for entry in model.metadata_props if entry.key != "sha256"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    change(model)
    data = model.SerializeToString()
    path.write_bytes(sealed(data) if seal else data)
    return path


@pytest.mark.parametrize(
    ("original", "load"),
    [(DEFAULT_WEIGHTS, Backend), (DEFAULT_CLASSIFIER, CandidateClassifier), (DEFAULT_DETECTOR, ApexDetector)],
)
def test_a_bit_changed_anywhere_is_noticed(original, load, tmp_path):
    data = original.read_bytes()
    assert is_sealed(data)
    path = tmp_path / "changed.onnx"
    for at in np.linspace(0, len(data) - 1, 12).astype(int):
        damaged = bytearray(data)
        damaged[at] ^= 4
        path.write_bytes(damaged)
        refused(load, path)
    for length in (0, 1, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        refused(load, path)


def test_the_seal_is_part_of_the_metadata_and_changes_no_weight(tmp_path):
    model = onnx.load(str(DEFAULT_WEIGHTS))
    onnx.checker.check_model(model)
    assert [entry.key for entry in model.metadata_props] == [KEY, "sha256"]
    resaved = tmp_path / "resaved.onnx"
    model.doc_string = "edited by hand"
    onnx.save(model, str(resaved))
    refused(Backend, resaved)
    entry = model.metadata_props.add()
    entry.key, entry.value = "note", "edited once more"
    onnx.save(model, str(resaved))
    refused(Backend, resaved)


def test_weights_of_an_earlier_version_have_no_seal_and_say_so(untrained, tmp_path, short_clip):
    old = changed(untrained, tmp_path / "old.onnx", lambda model: None, seal=False)
    (note,) = Backend(old).notes
    assert "no digest" in note
    assert "\n" not in note
    assert Backend(untrained).notes == ()
    with Session.replay(short_clip, Settings(recognizer=RecognizerConfig(str(old)))) as session:
        assert note in session.warnings


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize(
    ("original", "load"),
    [(DEFAULT_WEIGHTS, Backend), (DEFAULT_CLASSIFIER, CandidateClassifier), (DEFAULT_DETECTOR, ApexDetector)],
)
def test_numbers_that_are_none_are_refused_although_the_digest_fits(original, load, value, tmp_path):
    def spoil(model):
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if tensor.data_type == onnx.TensorProto.FLOAT and values.ndim > 1:
                tensor.CopyFrom(numpy_helper.from_array(np.full_like(values, value), tensor.name))

    refused(load, changed(original, tmp_path / "nan.onnx", spoil))


def reads_another_file(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def blows_up(model):
    model.graph.initializer.append(numpy_helper.from_array(np.array([2**36], np.int64), "size"))
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["size"], ["bomb"]))


def loops(model):
    body = helper.make_graph([], "body", [], [])
    model.graph.node.insert(0, helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body))


def pads_beyond_measure(model):
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    pads = next(attribute for attribute in node.attribute if attribute.name == "pads")
    pads.ints[:] = [10**9] * 4


def foreign_operator(model):
    model.graph.node.append(helper.make_node("Sample", ["entire"], ["x"], domain="com.example"))


@pytest.mark.parametrize(
    "change", [reads_another_file, blows_up, loops, pads_beyond_measure, foreign_operator]
)
def test_a_network_that_could_do_harm_is_not_opened(untrained, tmp_path, change):
    refused(Backend, changed(untrained, tmp_path / "x.onnx", change))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("working_size", 20_000),
        ("working_size", 128.0),
        ("temperature", 1e-300),
        ("temperature", True),
        ("refusal", -1),
        ("refusal", 1.5),
        ("nothing", "no"),
        ("preprocessing", True),
        ("classes", ["a", "a", "b"]),
        ("classes", ["a", "b", "\x1b[2J"]),
        ("trained_on", ["CASME II"]),
        ("name", "x" * 100_000),
    ],
)
def test_metadata_of_absurd_values_is_refused(untrained, tmp_path, name, value):
    def set_entry(model):
        (entry,) = model.metadata_props
        entry.value = json.dumps({**json.loads(entry.value), name: value})

    refused(Backend, changed(untrained, tmp_path / "x.onnx", set_entry))


def test_metadata_nested_beyond_measure_is_one_line(untrained, tmp_path):
    def nest(model):
        model.metadata_props[0].value = "[" * 100_000

    refused(Backend, changed(untrained, tmp_path / "x.onnx", nest))


def test_a_classifier_for_other_evidence_is_refused(tmp_path):
    def older(model):
        next(entry for entry in model.metadata_props if entry.key == EVIDENCE_KEY).value = "1"

    refused(CandidateClassifier, changed(DEFAULT_CLASSIFIER, tmp_path / "classifier.onnx", older))


def test_blinking_lids_are_refused_whatever_the_threshold(blink, tmp_path):
    """A model without a threshold used to name them: 0 is not below 0."""

    def names_everything(model):
        (entry,) = model.metadata_props
        entry.value = json.dumps({**json.loads(entry.value), "refusal": 0.0})

    path = changed(DEFAULT_WEIGHTS, tmp_path / "all.onnx", names_everything)
    with Recognizer(path) as recognizer:
        for pair in (blink, blink[::-1]):
            assert recognizer.recognize(*pair).label == UNCERTAIN
