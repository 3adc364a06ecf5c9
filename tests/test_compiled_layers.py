"""Compiled layers do what torch's do, to the bit of a bfloat16."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from training.learning.stacked import compiled_layers as layers
from training.learning.stacked.compiled_inceptions import _lines, _places, _pool3

DTYPES = [torch.float32, torch.bfloat16]
SAME = (1.0,) * 6, (0.0,) * 6


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def first(x: Tensor) -> Tensor:
    """Channels first, for torch."""
    return x.permute(0, 3, 1, 2)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.floats(-30, 30))
def test_rounds_to_bfloat16_as_torch_does(seed, exponent):
    exact = random(2, 4, 4, 6, seed=seed) * 2.0**exponent
    found = torch.empty(2, 2, 2, 6, dtype=torch.bfloat16)
    layers.pool_relu(_lines(exact), *SAME, _places(found), 0)
    expected = F.max_pool2d(first(exact), 2).relu().bfloat16()
    assert torch.equal(first(found), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("samples", [1, 3, 40])
def test_moments(dtype, samples):
    y = (random(samples, 4, 6, 6) * 3 + 1).to(dtype)
    mean, variance = layers.moments(_lines(y), 6)
    flat = y.double().flatten(0, 2)
    np.testing.assert_allclose(mean, flat.mean(dim=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, flat.var(dim=0, correction=0), rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_relu_and_its_gradient(dtype):
    y, dout = random(3, 4, 6, 6).to(dtype), random(3, 4, 6, 6, seed=1).to(dtype)
    scale, shift = random(2, 6, seed=2)
    affine = (y.float() * scale + shift).requires_grad_()
    expected = affine.relu()
    expected.backward(dout.float())
    found, dy = torch.empty_like(y), torch.empty_like(y)
    channels = tuple(scale.tolist()), tuple(shift.tolist())
    layers.relu(_lines(y), *channels, _lines(found))
    torch.testing.assert_close(found, expected.to(dtype))
    sums = layers.relu_back(_lines(y), *channels, _lines(dout), _lines(dy))
    assert torch.equal(dy, affine.grad.to(dtype))
    np.testing.assert_allclose(sums[0], affine.grad.sum(dim=(0, 1, 2)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(sums[1], (affine.grad * y).sum(dim=(0, 1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pool_and_its_gradient_stay_in_their_channels(dtype):
    y, dout = random(3, 4, 6, 6).to(dtype), random(3, 2, 3, 15, seed=1).to(dtype)
    scale, shift = random(2, 6, seed=2)  # of both signs
    affine = first(y.float() * scale + shift).requires_grad_()
    expected = F.max_pool2d(affine, 2).relu()
    expected.backward(first(dout.float())[:, 5:11])
    out, dy = torch.full((3, 2, 3, 15), 7.0).to(dtype), torch.empty_like(y)
    channels = tuple(scale.tolist()), tuple(shift.tolist())
    layers.pool_relu(_lines(y), *channels, _places(out), 5)
    torch.testing.assert_close(first(out)[:, 5:11], expected.to(dtype))
    assert (out[..., :5] == 7).all()
    assert (out[..., 11:] == 7).all()
    sums = layers.pool_relu_back(_lines(y), *channels, _places(dout), 5, _lines(dy))
    if (
        dtype == torch.float32
    ):  # in bfloat16 equals are frequent, and torch takes the first of them line by line
        assert torch.equal(first(dy), affine.grad)
    np.testing.assert_allclose(sums[0], affine.grad.sum(dim=(0, 2, 3)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(sums[1], (affine.grad * first(y)).sum(dim=(0, 2, 3)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_of_equals_exactly_one_has_the_gradient(dtype):
    y = (random(3, 4, 6, 6).round() + 0.1).to(dtype)
    dout, dy = torch.ones(3, 2, 3, 6).to(dtype), torch.empty_like(y)
    scale, shift = (0.3,) * 6, (0.7,) * 6
    layers.pool_relu_back(_lines(y), scale, shift, _places(dout), 0, _lines(dy))
    alive = F.max_pool2d(first(y.float() * 0.3 + 0.7), 2) > 0
    assert torch.equal(F.avg_pool2d(first(dy.float()), 2) * 4, alive.float())


def test_gradient_through_the_statistics():
    y, dout = random(2, 3, 4, 4, 6).double()
    gamma, beta = (v.requires_grad_() for v in random(2, 6, seed=1).double())
    plain = first(y).requires_grad_()
    F.batch_norm(plain, None, None, gamma, beta, training=True).backward(first(dout))
    y, dy = y.float(), dout.float()
    moments = layers.moments(_lines(y), 6)
    sums = torch.stack([dout.sum(dim=(0, 1, 2)), (dout * y).sum(dim=(0, 1, 2))]).numpy()
    found = layers.through_statistics(_lines(dy), _lines(y), gamma.detach().float().numpy(), moments, sums)
    torch.testing.assert_close(first(dy).double(), plain.grad, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found, torch.stack([gamma.grad, beta.grad]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pool_of_three_and_its_gradient(dtype):
    x = torch.randperm(2 * 5 * 4 * 3, generator=torch.Generator().manual_seed(0)).view(
        2, 5, 4, 3
    )  # all differ
    x = (x % 256).to(dtype).sub(60)
    plain = first(x.float()).requires_grad_()
    expected = F.max_pool2d(plain, 3, 1, 1)
    dout, *others = random(4, 2, 5, 4, 3, seed=1).to(dtype)
    expected.backward(first(dout.float()))
    found, back = _pool3(x)
    assert torch.equal(first(found), expected.to(dtype))
    dx = back(dout, *others)
    torch.testing.assert_close(
        dx, (plain.grad.permute(0, 2, 3, 1) + sum(o.float() for o in others)).to(dtype)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_pool_of_three_loses_no_gradient_among_equals(dtype):
    x = random(2, 5, 4, 3).round().to(dtype)
    found, back = _pool3(x)
    assert torch.equal(first(found), F.max_pool2d(first(x), 3, 1, 1))
    dx = back(torch.ones_like(x), *[torch.zeros_like(x)] * 3)
    assert dx.sum() == x.numel()
    assert (dx[x < found] <= 8).all()


def test_compiling_is_announced_once():
    code = """
from training.learning.stacked.compiled_layers import compiled
compiled(lambda x: x)(1)
compiled(lambda x: -x)(1)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr.splitlines() == ["compiling for this processor, once"]
