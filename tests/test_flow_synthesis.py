"""Synthetic flow: repeatable, in range, mirror-consistent, shaped like the motion it was made from."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from recognizer import feature as recognizer_feature
from recognizer.action_units import ACTION_UNITS, MIRROR
from recognizer.flow.engine import strain as recognizer_strain
from recognizer.recognition import CLASSES
from training.learning.engine import normalise
from training.learning.unit_head import mirror
from training.synthesis.emotions import RECIPES, SPEECH
from training.synthesis.face_shape import CANONICAL, random_faces
from training.synthesis.flow import (
    GRID,
    Samples,
    Window,
    render,
    strain,
    synthesize,
    synthetic_archive,
    to_feature,
)
from training.synthesis.motion_model import Activation, displacement
from training.synthesis.random_motion import (
    NON_EVENT,
    UNITS,
    Scene,
    SynthesisConfig,
    action_bumps,
    face_contrast,
    random_activations,
)


def made(seed: int, n: int = 64, config: SynthesisConfig | None = None) -> Samples:
    return synthesize(n, torch.Generator().manual_seed(seed), config)


def test_same_seed_same_samples_other_seed_others() -> None:
    first, again, other = made(1), made(1), made(2)
    for name in ("entire", "puzzled", "label"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.entire, other.entire)


@pytest.mark.parametrize("published", [0.0, 1.0])
def test_features_are_whole_numbers_that_fill_the_scale(published: float) -> None:
    samples = made(3, config=SynthesisConfig(published=published))
    for feature in (samples.entire, samples.puzzled):
        assert feature.shape == (64, 3, 28, 28)
        assert torch.equal(feature, feature.round())
        assert feature.min() == 0
        assert feature.max() == 255
    assert (samples.entire.amax(dim=(2, 3)) == 255).all()
    assert (samples.entire.amin(dim=(2, 3)) == 0).all()


def test_labels_follow_the_prior() -> None:
    config = SynthesisConfig(prior=(0.6, 0.3, 0.1), non_events=0.25)
    label = random_activations(4000, torch.Generator().manual_seed(4), config).label
    assert (label == NON_EVENT).float().mean() == pytest.approx(0.25, abs=0.03)
    shares = torch.bincount(label[label != NON_EVENT], minlength=3) / (label != NON_EVENT).sum()
    assert shares.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.03)


def test_recipes_name_known_units_and_every_class() -> None:
    assert tuple(RECIPES) == CLASSES
    for recipes in (*RECIPES.values(), SPEECH):
        for weight, units in recipes:
            assert weight > 0
            assert set(units) <= set(ACTION_UNITS)


def test_canonical_face_is_its_own_mirror_image() -> None:
    mirrored = CANONICAL[MIRROR] * torch.tensor((-1.0, 1.0))
    assert torch.allclose(mirrored, CANONICAL)
    assert float(CANONICAL[15, 0] - CANONICAL[1, 0]) == 1


def feature_of(flow: torch.Tensor) -> torch.Tensor:
    return to_feature(flow, strain(flow))


def still_scene(faces: torch.Tensor, sides: torch.Tensor) -> Scene:
    """Nothing but the action units moves."""
    generator, n = torch.Generator(), len(faces)
    return Scene(
        action_bumps(faces, sides, generator),
        face_contrast(faces, generator),
        rigid=torch.zeros(n, 2, 3),
        turn=torch.zeros(n, 2),
        background=torch.zeros(n),
        rim=torch.ones(n, 2),
    )


@pytest.fixture
def no_variation(monkeypatch: pytest.MonkeyPatch) -> None:
    def zeros(*shape: int, generator: object) -> torch.Tensor:
        return torch.zeros(*shape)

    monkeypatch.setattr(torch, "randn", zeros)


@pytest.mark.usefixtures("no_variation")
@pytest.mark.parametrize("unit", UNITS)
def test_level_faces_move_as_the_motion_model_says(unit: int) -> None:
    """The batched, separable field is the field that clips are rendered with."""
    size, left, right = 112, 0.01, 0.004
    sides = torch.zeros(1, len(UNITS), 2)
    sides[0, UNITS.index(unit)] = torch.tensor((left, right))
    edge = torch.tensor([0.5])
    window = Window(-edge, edge, torch.tensor([-0.2]), torch.tensor([0.8]), size, size)
    flow, _ = render(still_scene(CANONICAL[None].clone(), sides), window)
    pixels = ((CANONICAL - torch.tensor((-0.5, -0.2))) * size - 0.5).numpy().astype(np.float32)
    expected = displacement(pixels, [Activation(unit, left, right)], (size, size))
    assert np.abs(flow[0].permute(1, 2, 0).numpy() - expected).max() < 1e-3


@pytest.mark.usefixtures("no_variation")
def test_mirrored_face_gives_the_mirrored_feature() -> None:
    sides = torch.zeros(1, len(UNITS), 2)
    sides[0, UNITS.index(12)] = torch.tensor((0.02, 0.003))
    sides[0, UNITS.index(4)] = torch.tensor((0.001, 0.012))
    edge = torch.tensor([0.5])
    window = Window(-edge, edge, torch.tensor([-0.3]), torch.tensor([0.9]), GRID, GRID)
    face = CANONICAL[None].clone()
    one, other = (
        feature_of(render(still_scene(face, s), window)[0]) for s in (sides, sides.flip(2).contiguous())
    )
    assert (mirror(normalise(one)) - normalise(other)).abs().max() < 2.5 / 127.5


def test_feature_is_the_recognizers() -> None:
    """The same field gives the same feature here and in live recognition, up to rounding."""
    rng = np.random.default_rng(0)
    field = np.cumsum(np.cumsum(rng.normal(size=(112, 112, 2)), axis=0), axis=1).astype(np.float32)
    live = recognizer_feature.to_feature(field, recognizer_strain(field))
    ours = feature_of(torch.from_numpy(field).permute(2, 0, 1)[None])[0].numpy()
    assert np.abs(live.astype(float) - ours).max() <= 1


def test_classes_differ_where_they_should() -> None:
    """Brows rise in surprise and sink in negative; lip corners rise in positive (v points down)."""
    config = SynthesisConfig(non_events=0, published=1.0)
    samples = made(5, 1500, replace(config, head=0.05, noise=0.02))
    v = samples.entire[:, 1] - samples.entire[:, 1].flatten(1).median(dim=1).values[:, None, None]
    brows, corners = v[:, 1:5, 5:23].mean(dim=(1, 2)), v[:, 16:20, [5, 6, 7, 20, 21, 22]].mean(dim=(1, 2))
    negative, positive, surprise = (samples.label == k for k in range(3))
    assert brows[negative].mean() > 10
    assert brows[surprise].mean() < -30
    assert corners[positive].mean() < -30


def test_random_faces_stay_faces() -> None:
    faces = random_faces(500, torch.Generator().manual_seed(0))
    y = faces[..., 1]
    order = [y[:, 17:27].mean(dim=1), y[:, 36:48].mean(dim=1), y[:, 33], y[:, 48:60].mean(dim=1), y[:, 8]]
    for above, below in pairwise(order):
        assert (above < below).all()
    assert (faces[:, 15, 0] - faces[:, 1, 0] > 0.8).all()


def test_archive_holds_events_only() -> None:
    archive = synthetic_archive(20, 0, SynthesisConfig(non_events=0))
    assert len(archive) == 20
    assert archive.entire.dtype == np.uint8
    assert set(archive.label.tolist()) <= {0, 1, 2}
    assert len(set(archive.sample.tolist())) == 20
