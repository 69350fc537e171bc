"""Fused steps of the prior chain against `langevin.update`, and recordings of them."""

from __future__ import annotations

import pytest
import torch

from lebm import fused, langevin
from lebm.density import LogDensity
from lebm.fused import PriorDensity, Recording
from lebm.langevin import LangevinConfig
from lebm.prior import TiltedPrior

TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-4}


@pytest.fixture(params=["leaky_relu", "gelu"])
def prior(request) -> TiltedPrior:
    torch.manual_seed(3)
    return TiltedPrior(5, hidden=30, activation=request.param)


def by_updates(density: LogDensity, z, config, noise):
    for epsilon in noise:
        z, _ = langevin.update(z, density.force(z), epsilon, config)
    return z


def change(prior: TiltedPrior) -> None:
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.mul_(1.5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("n", "tilt", "temperature"), [(1, 1, 1), (64, 1, 1), (7, 0.4, 2.5)])
def test_fused_steps_are_repeated_updates(prior, n, tilt, temperature, dtype, rng):
    density, config = prior.to(dtype).density(tilt), LangevinConfig(60, 0.08, temperature)
    z, noise = torch.randn(n, 5, generator=rng), torch.randn(60, n, 5, generator=rng)
    z, noise = z.to(dtype), noise.to(dtype)
    before, expected = z.clone(), by_updates(density, z, config, noise)
    end = density.steps(z, config.step_size, config.noise_scale)(z, noise)
    torch.testing.assert_close(end, expected, rtol=0, atol=TOLERANCE[dtype])
    assert torch.equal(z, before)
    assert (end != z).all()


def test_sample_takes_fused_steps_of_a_prior_and_updates_of_its_terms(prior, monkeypatch):
    """The same terms as a plain `LogDensity` are the eager loop, with the same noise."""
    density, z = prior.double().density(), torch.ones(300, 5, dtype=torch.float64)
    config, kinds = LangevinConfig(100, 0.08), []  # 64 steps at once, then 36
    steps = PriorDensity.steps
    monkeypatch.setattr(PriorDensity, "steps", lambda *a: kinds.append(type(a[0])) or steps(*a))
    ends = [
        langevin.sample(f, z, config, generator=torch.Generator().manual_seed(1))
        for f in (density, LogDensity(density.terms))
    ]
    assert kinds == [PriorDensity]
    torch.testing.assert_close(*ends, rtol=0, atol=TOLERANCE[torch.float64])


def test_a_sample_can_be_learned_from_and_holds_no_more_than_itself(prior, rng):
    end = langevin.sample(prior.density(), torch.ones(3, 5), LangevinConfig(9, 0.08), generator=rng)
    assert end.untyped_storage().nbytes() == 3 * 5 * 4
    prior.neg_energy(end).sum().backward()
    assert all(p.grad is not None for p in prior.parameters())


def test_fused_steps_stay_in_float32_under_autocast(prior, rng):
    z, noise = torch.randn(4, 5, generator=rng), torch.randn(3, 4, 5, generator=rng)
    take = prior.density().steps(z, 0.08, 0.4)
    expected = take(z, noise.clone())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(take(z, noise), expected)


def test_fused_steps_follow_the_weights_as_they_learn(prior, rng):
    z, noise = torch.randn(4, 5, generator=rng), torch.zeros(3, 4, 5)
    take = prior.density().steps(z, 0.08, 0.4)
    before = take(z, noise.clone())
    change(prior)
    after = take(z, noise.clone())
    assert (after != before).all()
    torch.testing.assert_close(
        after, by_updates(prior.density(), z, LangevinConfig(3, 0.08), noise)
    )


def replayed_by_running(run, device):
    """As `fused._record`, where there is no GPU: the steps run again over the same tensors."""
    end = run()
    return lambda: end.copy_(run()), end


def test_a_recording_is_the_steps_for_other_tensors_and_later_weights(prior, rng, monkeypatch):
    monkeypatch.setattr(fused, "_record", replayed_by_running)
    z, noise = torch.randn(2, 4, 5, generator=rng), torch.randn(2, 3, 4, 5, generator=rng)
    take = prior.density().steps(z[0], 0.08, 0.4)
    recording = Recording(take, z[0], noise[0])
    kept = noise.clone()
    first = recording(z[0], noise[0])
    assert torch.equal(first, take(z[0], kept[0].clone()))
    change(prior)
    second = recording(z[1], noise[1])
    assert torch.equal(second, take(z[1], kept[1].clone()))
    assert torch.equal(noise, kept)
    assert not torch.equal(first, second)  # and the first was not overwritten


def test_pieces_are_recorded_once_for_each_shape_and_weights(prior, rng, monkeypatch):
    made = []
    monkeypatch.setattr(fused, "_RECORDINGS", fused.OrderedDict())
    monkeypatch.setattr(fused, "_record", lambda *a: made.append(1) or replayed_by_running(*a))

    def sample(prior: TiltedPrior, n: int) -> None:
        z, density = torch.randn(n, 5, generator=rng), prior.density()
        noise, take = torch.randn(3, n, 5, generator=rng), density.steps(z, 0.08, 0.4)
        expected = take(z, noise.clone())
        settings = density.f.addresses()
        assert torch.equal(fused._recorded(settings, take, z, noise), expected)

    for _ in range(3):
        sample(prior, 4)
        change(prior)  # as an optimiser does, in place
    assert len(made) == 1
    sample(prior, 6)
    sample(TiltedPrior(5, hidden=30), 4)
    assert len(made) == 3
    for n in range(10, 40):
        sample(prior, n)
    assert len(fused._RECORDINGS) == 16


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_chain_on_a_gpu_is_that_of_updates(prior):
    prior, config = prior.to("cuda"), LangevinConfig(100, 0.08)
    z = torch.randn(64, 5, device="cuda", generator=torch.Generator("cuda").manual_seed(0))
    for _ in range(3):  # recorded, taken again, taken again with other weights
        density = prior.density()
        ends = [
            langevin.sample(f, z, config, generator=torch.Generator("cuda").manual_seed(1))
            for f in (density, LogDensity(density.terms))
        ]
        torch.testing.assert_close(*ends, rtol=0, atol=TOLERANCE[torch.float32])
        change(prior)
