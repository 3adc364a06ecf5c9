"""Many networks as one give what each gives alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from recognizer.network.model import DualAtme, ModelConfig
from training.learning.stacked.layers import double_columns, norm_pool_relu, pool_relu, statistics
from training.learning.stacked.model import Batch, Inputs, StackedModels, _separated

PLAIN = ModelConfig(dropout=0)


def networks(count: int) -> list[DualAtme]:
    torch.manual_seed(0)
    models = [DualAtme(PLAIN) for _ in range(count)]
    with torch.no_grad():
        for model in models:  # weights as after training: some γ negative, no β zero
            for module in model.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.weight.normal_()
                    module.bias.normal_(0, 0.3)
    return models


def in_pairs(x: torch.Tensor) -> Inputs:
    """(N, B, 3, 28, 28) → what the first block reads."""
    values = x.permute(1, 0, 3, 4, 2).reshape(x.shape[1], x.shape[0], 28, 14, 6)
    flat = x.permute(1, 2, 0, 3, 4).flatten(2)
    covariance = torch.stack([torch.cov(rows, correction=0) for rows in flat])
    return Inputs(values, flat.mean(dim=2), covariance)


def batch_of(entire: torch.Tensor, puzzled: torch.Tensor, valid: torch.Tensor | None = None) -> Batch:
    def pooled(x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(x.flatten(0, 1), 3, 1, 1).view_as(x)

    both = torch.cat([entire, puzzled], dim=1)
    return Batch(in_pairs(both), in_pairs(pooled(both)), torch.ones(*entire.shape[:2], PLAIN.hidden), valid)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_forward_and_backward_equal_the_plain_network(count, compiled):
    models = networks(count)
    states = [model.state_dict() for model in models]
    stacked = StackedModels(states, PLAIN, torch.device("cpu"), compiled=compiled)
    entire, puzzled = torch.rand(2, 12, count, 3, 28, 28) * 2 - 1
    label = torch.randint(0, 3, (12, count))

    logits, maps_entire, maps_puzzled = stacked.forward(batch_of(entire, puzzled))
    loss = F.cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="sum")
    (loss + (maps_entire * maps_puzzled).sum() / 100).backward()
    stacked.update_running()
    states = stacked.states()

    for m, model in enumerate(models):
        model.train()
        maps = model.embed(entire[:, m], puzzled[:, m])
        expected = model.classify(*maps)
        plain = F.cross_entropy(expected, label[:, m], reduction="sum") + (maps[0] * maps[1]).sum() / 100
        plain.backward()
        torch.testing.assert_close(logits[:, m], expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(maps_entire[:, :, :, m].permute(0, 3, 1, 2), maps[0], atol=1e-4, rtol=1e-4)
        gradients = _separated({name: value.grad for name, value in stacked.parameters.items()})
        gradients["classifier.1.weight"] = stacked._reorder(gradients["classifier.1.weight"], last=False)
        for name, parameter in model.named_parameters():
            if name in gradients:
                gradient = gradients[name]
                scale = parameter.grad.abs().max()
                torch.testing.assert_close(
                    gradient[m] / scale,
                    parameter.grad / scale,
                    atol=1e-4,
                    rtol=0,
                )
        for name, value in model.state_dict().items():
            if "running" in name:
                torch.testing.assert_close(states[m][name], value, atol=1e-5, rtol=1e-4)


def test_left_out_samples_change_nothing():
    models = networks(2)
    states = [model.state_dict() for model in models]
    entire, puzzled = torch.rand(2, 9, 2, 3, 28, 28) * 2 - 1
    valid = torch.ones(9, 2)
    valid[6:, 1] = 0
    masked = StackedModels(states, PLAIN, torch.device("cpu"))
    batch = batch_of(entire, puzzled, valid)
    short = batch_of(entire[:6], puzzled[:6])
    second = torch.tensor([False, True, False, True])  # face of both models, then puzzle of both
    mixed = [
        Inputs(
            many.values,
            torch.where(second[:, None], few.mean, many.mean),
            torch.where(second[:, None, None], few.covariance, many.covariance),
        )
        for many, few in ((batch.features, short.features), (batch.pooled, short.pooled))
    ]
    logits, *_ = masked.forward(Batch(*mixed, batch.dropout, valid))
    (logits.square() * valid[..., None]).sum().backward()

    alone = StackedModels(states[1:], PLAIN, torch.device("cpu"))
    expected, *_ = alone.forward(batch_of(entire[:6, 1:], puzzled[:6, 1:]))
    expected.square().sum().backward()
    torch.testing.assert_close(logits[:6, 1], expected[:, 0], atol=1e-5, rtol=1e-5)
    found, wanted = (
        _separated({name: value.grad for name, value in models.parameters.items()})
        for models in (masked, alone)
    )
    for name, gradient in wanted.items():
        assert (found[name][1] - gradient[0]).abs().max() <= 1e-4 * gradient.abs().max(), name
    masked.update_running()
    alone.update_running()
    found, wanted = (_separated(models.running) for models in (masked, alone))
    for name, value in wanted.items():
        torch.testing.assert_close(found[name][1], value[0], atol=1e-5, rtol=1e-5)


def test_a_compiled_network_is_the_same_to_the_bit_in_any_company():
    states = [model.state_dict() for model in networks(3)]
    batch = batch_of(*(torch.rand(2, 8, 3, 3, 28, 28) * 2 - 1))
    second = [1, 4]  # face and puzzle of the second model among three faces and three puzzles
    inputs = [
        Inputs(x.values[second], x.mean[second], x.covariance[second]) for x in (batch.features, batch.pooled)
    ]
    together = StackedModels(states, PLAIN, torch.device("cpu"), compiled=True)._bi_inceptions(batch)
    alone = StackedModels(states[1:2], PLAIN, torch.device("cpu"), compiled=True)
    found = alone._bi_inceptions(Batch(*inputs, batch.dropout[:, 1:2], None))
    for one, three in zip(found, together, strict=True):
        assert torch.equal(one[:, :, :, 0], three[:, :, :, 1])


def test_states_come_out_as_they_went_in():
    models = networks(2)
    stacked = StackedModels([model.state_dict() for model in models], PLAIN, torch.device("cpu"))
    for model, state in zip(models, stacked.states(), strict=True):
        assert state.keys() == model.state_dict().keys()
        for name, value in model.state_dict().items():
            torch.testing.assert_close(state[name], value, atol=1e-6, rtol=0)


@pytest.mark.parametrize("compiled", [False, True])
def test_half_precision_stays_close(compiled):
    states = [model.state_dict() for model in networks(1)]
    batch = batch_of(*(torch.rand(2, 32, 1, 3, 28, 28) * 2 - 1))
    bits = [replace(x, values=x.values.bfloat16()) for x in (batch.features, batch.pooled)]
    exact, rough = (
        StackedModels(states, PLAIN, torch.device("cpu"), half, compiled).forward(given)[0]
        for half, given in ((False, batch), (True, Batch(*bits, batch.dropout, None)))
    )
    assert 0 < (exact - rough).abs().max() < 0.05 * exact.std() + 0.02


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([1, 3, 5]), st.integers(1, 2), st.integers(1, 3), st.integers(0, 2**31))
def test_doubled_kernel_does_what_the_kernel_does(size, models, inputs, seed):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(models, 2, inputs, size, size, generator=generator)
    x = torch.randn(2, models, inputs, 6, 8, generator=generator)
    expected = torch.stack([F.conv2d(x[:, m], weight[m], padding=size // 2) for m in range(models)], dim=1)
    pairs = x.unflatten(4, (4, 2)).movedim(5, 2).flatten(1, 3)
    doubled = double_columns(weight).flatten(0, 1)
    found = F.conv2d(pairs, doubled, padding=(doubled.shape[2] // 2, doubled.shape[3] // 2), groups=models)
    found = found.unflatten(1, (models, 2, 2)).movedim(2, 5).flatten(4)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([1, 2]), st.integers(1, 2), st.integers(0, 2**31))
def test_norm_pool_relu_equals_its_three_parts(copies, models, seed):
    generator = torch.Generator().manual_seed(seed)
    n, channels = 3, 2
    x = torch.randn(n, models, channels, 4, 8, generator=generator, dtype=torch.float64)
    gamma, beta = torch.rand(2, models, channels, generator=generator, dtype=torch.float64)
    grad = torch.randn(n, models, channels, 2, 4, generator=generator, dtype=torch.float64)

    plain = [value.clone().requires_grad_() for value in (x, gamma, beta)]
    normed = F.batch_norm(
        plain[0].flatten(1, 2), None, None, plain[1].flatten(), plain[2].flatten(), training=True
    )
    expected = F.max_pool2d(normed.relu(), 2).view_as(grad)
    expected.backward(grad)

    ours = [value.clone().requires_grad_() for value in (x, gamma, beta)]
    y = ours[0].unflatten(4, (8 // copies, copies)).permute(0, 3, 4, 1, 5, 2).flatten(3)
    batch = statistics(y.detach(), gamma.shape, None)
    z = norm_pool_relu(y.contiguous(), ours[1], ours[2], batch, None)
    found = z.unflatten(3, (models, channels)).permute(0, 3, 4, 1, 2)
    found.backward(grad)
    torch.testing.assert_close(found, expected)
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_pool_relu_equals_its_parts():
    x = torch.randn(2, 4, 4, 2 * 2 * 3).requires_grad_()  # two models, columns in pairs, three channels
    single = x.detach().unflatten(3, (2, 2, 3)).permute(0, 3, 5, 1, 2, 4).flatten(4).requires_grad_()
    expected = F.max_pool2d(single.flatten(1, 2), 2).relu().unflatten(1, (2, 3))
    found = pool_relu(x, torch.Size((2, 3))).unflatten(3, (2, 3)).permute(0, 3, 4, 1, 2)
    torch.testing.assert_close(found, expected)
    found.square().sum().backward()
    expected.square().sum().backward()
    back = x.grad.unflatten(3, (2, 2, 3)).permute(0, 3, 5, 1, 2, 4).flatten(4)
    torch.testing.assert_close(back, single.grad)
