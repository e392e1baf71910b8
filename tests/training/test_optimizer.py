import click
import pytest
import torch
from torch import nn

from training import devices
from training.optimizer import Optimizer


def trained(model, steps=20, rate=1e-2):
    made = Optimizer(model, "cpu", weight_decay=0.01)
    for _ in range(steps):
        dtype = model.weight.dtype
        model(torch.tensor([[1.0, -1.0]], dtype=dtype)).square().sum().backward()
        made.step(rate)
    return made


def test_it_is_adamw_where_the_device_computes_in_float32(monkeypatch):
    monkeypatch.setattr(devices, "best_dtype", lambda device: torch.float32)
    torch.manual_seed(0)
    ours, theirs = nn.Linear(2, 3), nn.Linear(2, 3)
    theirs.load_state_dict(ours.state_dict())
    groups = [{"params": [theirs.weight], "weight_decay": 0.01}, {"params": [theirs.bias], "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.98))
    for _ in range(20):
        adam.zero_grad()
        theirs(torch.tensor([[1.0, -1.0]])).square().sum().backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        adam.step()
    trained(ours)
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-6)
    assert torch.allclose(ours.bias, theirs.bias, atol=1e-6)


def test_steps_too_small_for_bfloat16_add_up(monkeypatch):
    monkeypatch.setattr(devices, "best_dtype", lambda device: torch.bfloat16)
    torch.manual_seed(0)
    model = nn.Linear(2, 3)
    before = model.weight.detach().clone()
    made = trained(model, steps=200, rate=1e-5)
    assert model.weight.dtype == torch.bfloat16
    apart = (made.state()["model"]["weight"] - before).abs()
    assert apart.min() > 1e-3
    assert torch.equal(model.weight.float(), made.state()["model"]["weight"].bfloat16().float())


def test_frozen_weights_are_kept_as_they_are(monkeypatch):
    monkeypatch.setattr(devices, "best_dtype", lambda device: torch.bfloat16)
    model = nn.Linear(2, 3)
    model.bias.requires_grad_(False)
    bias = model.bias.detach().clone()
    state = trained(model).state()
    assert torch.equal(state["model"]["bias"], bias)


def test_gradients_that_are_not_finite_change_nothing():
    model = nn.Linear(2, 3)
    made = Optimizer(model, "cpu", weight_decay=0.0)
    before = {name: some.clone() for name, some in made.state()["model"].items()}
    (model(torch.ones(1, 2, dtype=model.weight.dtype)).sum() * torch.inf).backward()
    made.step(1.0)
    assert all(torch.equal(some, before[name]) for name, some in made.state()["model"].items())


def test_a_checkpoint_of_another_model_is_refused():
    state = trained(nn.Linear(2, 3)).state()
    other = Optimizer(nn.Linear(2, 3, bias=False), "cpu", weight_decay=0.0)
    with pytest.raises(click.ClickException, match="of another model"):
        other.load(state)
