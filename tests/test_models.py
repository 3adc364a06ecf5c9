"""The baselines against their papers' shapes and sizes, and the loop that trains them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from skimage.feature import local_binary_pattern
from tiny_archive import tiny_archive, with_faces
from user_errors import raises

from recognizer.network.model import DualAtme
from training.learning.engine import Recipe, TrainingSet
from training.models.dual_inception import DualInception
from training.models.hand_crafted import bi_woof, lbp_top
from training.models.hand_crafted.classifier import HandCrafted
from training.models.inputs import ENTIRE, PUZZLED
from training.models.method import Fitting
from training.models.off_apexnet import OffApexNet
from training.models.plain import Network
from training.models.rcn import MAPS, Rcn, WideStem, rcn_a, rcn_c, rcn_f, rcn_w
from training.models.registry import METHODS, find
from training.models.resnet18 import ResNet18
from training.models.ststnet import StstNet

ARCHIVE = with_faces(tiny_archive(6, 8))
NETWORKS = [name for name, method in METHODS.items() if isinstance(method, Network)]


def training_set(rows: slice = slice(None), seed: int = 3) -> TrainingSet:
    label = ARCHIVE.label[rows]
    pairs = ARCHIVE.pairs(rows)
    return TrainingSet(pairs.entire, pairs.puzzled, label, len(label), seed, {}, pairs.faces)


def size(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# --- each against its paper


def test_ststnet():
    """Conv of 3, 5 and 8 filters, max-pool 3 to 10×10, average pool to 5×5, 400 inputs of the last layer."""
    network = StstNet().eval()
    maps = [stream(torch.zeros(2, 3, 28, 28)).shape for stream in network.streams]
    assert maps == [(2, 3, 10, 10), (2, 5, 10, 10), (2, 8, 10, 10)]
    assert network.classifier[-1].in_features == 400
    norms = 2 * (3 + 5 + 8)
    assert size(network) - norms == 16 * (3 * 9 + 1) + 3 * 401 == 1651


def test_off_apexnet():
    """2.66 million parameters (DOI 10.11896/jsjkx.210500023); u and v alone, apart until they are joined."""
    network = OffApexNet().eval()
    assert size(network) == 2_664_475
    assert network.horizontal(torch.zeros(1, 1, 28, 28)).shape == (1, 16 * 7 * 7)
    assert_blind_to_strain(network)


def test_dual_inception():
    """6.45 million parameters (DOI 10.11896/jsjkx.210500023), 24·14·14 then 64·7·7 maps a stream."""
    network = DualInception().eval()
    assert size(network) == 6_449_867
    maps, shapes = torch.zeros(1, 1, 28, 28), []
    for layer in network.vertical:
        maps = layer(maps)
        shapes.append(tuple(maps.shape[1:]))
    assert shapes == [(24, 28, 28), (24, 14, 14), (64, 14, 14), (64, 7, 7), (3136,)]
    assert_blind_to_strain(network)


def assert_blind_to_strain(network: torch.nn.Module) -> None:
    x = torch.rand(2, 3, 28, 28)
    other = torch.cat([x[:, :2], torch.rand(2, 1, 28, 28)], dim=1)
    assert torch.equal(network(x), network(other))
    for channel in (0, 1):
        moved = x.clone()
        moved[:, channel] += torch.rand(2, 28, 28)
        assert not torch.equal(network(x), network(moved))


def test_resnet18():
    """11,689,512 parameters with the thousand classes of ImageNet; the rest is the classifier."""
    network = ResNet18()
    assert size(network) - 3 * (512 + 1) == 11_689_512 - 1000 * (512 + 1)
    assert network.blocks(network.stem(torch.zeros(2, 3, 224, 224))).shape == (2, 512, 7, 7)


def test_rcn_modules_have_no_parameters():
    """The paper's point: attention and shortcuts cost none, and a wide stem fewer than the plain one."""
    plain = size(Rcn())
    assert plain == (3 * 25 + 1 + 2) * 64 + (64 + 1 + 2) * 64 + (64 * 9 + 1 + 2) * 64 + 3 * (64 * 25 + 1)
    assert size(rcn_a()) == plain
    assert size(rcn_w()) == size(rcn_c()) == size(rcn_f()) < plain
    assert WideStem()(torch.zeros(2, 3, 28, 28)).shape == (2, MAPS, 10, 10)


def test_rcn_variants_differ_in_what_they_compute():
    x, outputs = torch.rand(4, 3, 28, 28), []
    for build in (rcn_w, rcn_c, rcn_f):
        torch.manual_seed(0)
        outputs.append(build().eval()(x))
    torch.manual_seed(0)
    outputs.append(Rcn(wide=True, shortcuts=True).eval()(x))
    for k, one in enumerate(outputs):
        assert all(not torch.allclose(one, other) for other in outputs[k + 1 :])
    torch.manual_seed(0)
    attentive = rcn_a().eval()
    torch.manual_seed(0)
    assert not torch.allclose(attentive(x), Rcn().eval()(x))


def test_parts_of_dual_atme():
    """One branch has half of the flattened maps; attention on both adds one CBAM."""
    whole, both = DualAtme(), METHODS["attention-on-both"].build()
    cbam = 2 * 48 * 3 + 2 * 9
    assert size(both) - size(whole) == cbam
    hars, aars = (METHODS[name].build() for name in ("hars-only", "aars-only"))
    assert size(aars) - size(hars) == cbam
    assert METHODS["hars-only"].takes == (PUZZLED,)
    assert METHODS["aars-only"].takes == (ENTIRE,)


# --- Bi-WOOF


def bi_woof_of(u: np.ndarray, v: np.ndarray, strain: np.ndarray) -> np.ndarray:
    features = np.stack([u, v, strain])[None].astype(np.uint8)
    return bi_woof.describe(features, features)[0].reshape(5, 5, 8)


def test_bi_woof_finds_place_and_direction():
    still = np.full((28, 28), 100)
    strain = np.full((28, 28), 50)
    v = still.copy()
    v[24:, :5] = 180  # the lower left block moves down
    found = bi_woof_of(still, v, strain)
    assert found.sum() == pytest.approx(1)
    assert found[4, 0].sum() == pytest.approx(1)
    down = int((np.pi / 2 + np.pi) / (2 * np.pi) * 8)
    assert found[4, 0, down] == pytest.approx(1)


def test_bi_woof_weighs_pixels_by_magnitude_and_blocks_by_strain():
    still = np.full((28, 28), 100)
    u, strain = still.copy(), np.full((28, 28), 50)
    u[0:2, 0:2], u[2:4, 0:2] = 120, 60  # 20 to the right, 40 to the left, in one block
    one = bi_woof_of(u, still, strain)[0, 0]
    assert sorted(one[one > 0]) == pytest.approx([1 / 3, 2 / 3])
    u[:], strain[:] = 100, 50
    u[0:2, 0:2], u[26:, 26:] = 130, 130
    strain[23:, 23:] = 150  # the lower right block is strained three times as much
    two = bi_woof_of(u, still, strain)
    assert two[4, 4].sum() == pytest.approx(3 * two[0, 0].sum())


@hypothesis_settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_bi_woof_does_not_depend_on_the_sample_beside(seed):
    features = np.random.default_rng(seed).integers(0, 256, (3, 3, 28, 28)).astype(np.uint8)
    together = bi_woof.describe(features, features)
    alone = np.concatenate([bi_woof.describe(one[None], one[None]) for one in features])
    np.testing.assert_allclose(together, alone, atol=1e-15)
    assert (together >= 0).all()


# --- LBP-TOP


def test_lbp_top_sees_space_and_time():
    """A still clip has one code in the XY planes' time and others where something moves; 25·3·59 numbers."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (27, 27)).astype(np.uint8)
    still = np.repeat(texture[None], 6, axis=0)
    found = lbp_top.describe(still).reshape(25, 3, 59)
    np.testing.assert_allclose(found.sum(axis=2), 1)
    whole = local_binary_pattern(texture, 8, 1, "nri_uniform")[1:6, 1:6].astype(int)
    np.testing.assert_allclose(found[0, 0], np.bincount(whole.ravel(), minlength=59) / 25)
    moving = still.copy()
    moving[:, :14] = np.stack([np.roll(texture, k, axis=1)[:14] for k in range(6)])
    other = lbp_top.describe(moving).reshape(25, 3, 59)
    assert not np.allclose(other[:10, 1:], found[:10, 1:]), "the upper part moves"
    np.testing.assert_array_equal(other[-5:], found[-5:])


def test_lbp_top_wants_an_inside():
    with pytest.raises(ValueError, match="no inside"):
        lbp_top.describe(np.zeros((2, 9, 9), np.uint8))


# --- the loop


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_and_says_probabilities(name):
    torch.set_num_threads(1)
    test, train = slice(0, 8), slice(8, 16 if METHODS[name].needs_faces else None)
    predict = METHODS[name].learn(training_set(train), Recipe(epochs=1), Fitting())
    found = predict(ARCHIVE.pairs(test))
    assert found.shape == (8, 3)
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("name", ["ststnet", "rcn-a", "hars-only", "bi-woof"])
def test_easy_classes_are_learnt(name):
    torch.set_num_threads(1)
    method = METHODS[name]
    epochs = 120 if name == "ststnet" else 25
    recipe = Recipe(epochs=epochs, learning_rate=1e-2 if name == "ststnet" else 1e-3, batch=16)
    predict = method.learn(training_set(slice(8, None)), recipe, Fitting())
    found = predict(ARCHIVE.pairs(slice(8))).argmax(axis=1)
    assert (found == ARCHIVE.label[:8]).mean() >= 0.75


@pytest.mark.parametrize("name", ["ststnet", "attention-on-both"])
def test_the_same_seed_gives_the_same_network(name):
    torch.set_num_threads(1)
    recipe, method = Recipe(epochs=1), METHODS[name]
    first = method.learn(training_set(), recipe, Fitting())(ARCHIVE.pairs())
    torch.rand(7)  # the state of the global generator does not matter
    again = method.learn(training_set(), recipe, Fitting())(ARCHIVE.pairs())
    np.testing.assert_array_equal(first, again)
    other = method.learn(training_set(seed=4), recipe, Fitting())(ARCHIVE.pairs())
    assert not np.array_equal(first, other)


def test_fitting_is_heard():
    torch.set_num_threads(1)
    item = replace(training_set(), label=np.where(ARCHIVE.label == 2, 0, ARCHIVE.label))
    variants = (
        (2.0, Fitting()),
        (0.0, Fitting()),
        (2.0, Fitting(weighted=True)),
        (2.0, Fitting(optimizer="sgd")),
    )
    methods = [METHODS["ststnet"].learn(item, Recipe(epochs=1, gamma=g), how) for g, how in variants]
    outputs = [predict(ARCHIVE.pairs()) for predict in methods]
    for k, one in enumerate(outputs):
        assert all(not np.array_equal(one, other) for other in outputs[k + 1 :])


def test_watching_changes_nothing():
    torch.set_num_threads(1)
    seen: list[tuple[int, float]] = []

    def watch(epoch, predict):
        seen.append((epoch, float(predict(ARCHIVE.pairs())[0, 0])))

    method, recipe = METHODS["ststnet"], Recipe(epochs=3, batch=16)
    watched = method.learn(training_set(), recipe, Fitting(), watch=watch)(ARCHIVE.pairs())
    alone = method.learn(training_set(), recipe, Fitting())(ARCHIVE.pairs())
    np.testing.assert_array_equal(watched, alone)
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert seen[-1][1] == alone[0, 0]


def test_an_unknown_method_is_told_with_the_nearest():
    with raises("invalid", "'stst-net'", " ststnet"):
        find("stst-net")
    with raises("invalid", "'RCN_a'", " rcn-a"):
        find("RCN_a")
    with raises("invalid", "'qqqq'", *METHODS):
        find("qqqq")
    assert isinstance(find("bi-woof"), HandCrafted)
