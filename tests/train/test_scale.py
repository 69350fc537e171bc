"""What a run would take on more machines: what is counted, and the arithmetic."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from lebm.model import LatentEBM
from train import data, records, report, scale
from train.presets import PRESETS
from train.scale import Options, Part, Plan

PARTS = [Part("prior chain, a step", 80, 2e6, 1e-4), Part("posterior chain, a step", 40, 9e9, 0.5)]


def test_operations_of_a_product_are_two_for_each_weight_and_row():
    layer, x = nn.Linear(5, 7), torch.ones(3, 5)
    flop, seconds = scale._cost(lambda: layer(x), 3)
    assert flop == 2 * 5 * 7
    assert seconds >= 0


def test_a_gradient_in_z_is_counted_too():
    """Forward and backward through f, in a prior chain and in learning."""
    config = PRESETS["digits"][1]
    parts = scale.measure(config, LatentEBM(config.model))
    d, h = config.model.latent_dim, config.model.prior_hidden
    flop = {part.name: part.flop for part in parts}
    assert flop["prior chain, a step"] == pytest.approx(2 * 2 * (d * h + h * h), rel=0.02)
    generator = flop["posterior chain, a step"] - flop["prior chain, a step"]
    assert flop["learning g"] > generator > 0  # gradients of weights are more than those of z
    assert [part.passes for part in parts] == [60, 10, 1, 1]


def test_places_are_measured_operations_over_assumed_rates(monkeypatch):
    monkeypatch.setattr(scale, "measure", lambda *_: PARTS)
    options = Options("celeba128", gpu_tflops=10, pass_ms=1, node_gbytes=50, network_gbytes=5)
    found = scale.plan(options)
    here, one, eight, machines = found.places
    config = PRESETS["celeba128"][1]
    assert here.iteration == pytest.approx(400 * (80 * 1e-4 + 40 * 0.5))
    assert one.iteration == pytest.approx(80 * 1e-3 + 40 * 400 * 9e9 / 10e12)
    message = 2 * 7 / 8 * 4 * found.n_parameters / 50e9
    assert eight.iteration == pytest.approx(80 * 1e-3 + 40 * 50 * 9e9 / 10e12 + message)
    message = 2 * 31 / 32 * 4 * found.n_parameters / 5e9
    assert machines.iteration == pytest.approx(80 * 1e-3 + 40 * 13 * 9e9 / 10e12 + message)
    assert one.epoch == pytest.approx(407 * one.iteration)
    assert one.run == pytest.approx(config.epochs * one.epoch)
    assert one.long_chains == pytest.approx(2500 * 1e6 * 2e6 / 10e12)
    assert eight.short_chains == pytest.approx(80 * 125_000 * 2e6 / 10e12)


def test_what_fills_no_gpu_gains_nothing_from_more(monkeypatch):
    small = [replace(part, flop=1e3) for part in PARTS]
    monkeypatch.setattr(scale, "measure", lambda *_: small)
    _, one, eight, _ = scale.plan(Options("digits")).places
    assert eight.iteration >= one.iteration


@pytest.mark.parametrize("preset", ["pinwheel", "two-moons", "ring", "digits"])
def test_examples_are_those_of_the_preset_s_data(preset):
    config = PRESETS[preset][1]
    learned_from = data.load(config.dataset, config.model.data_shape).train
    assert Options(preset).n_examples == len(learned_from)
    assert Options(preset, examples=7).n_examples == 7


def test_every_preset_s_examples_are_known_or_asked_for(monkeypatch):
    monkeypatch.setattr(scale, "measure", lambda *_: PARTS)
    assert scale.plan(Options()).assumed["examples"] == 162_770
    assert scale.plan(Options("mnist")).assumed["examples"] == 60_000
    for preset in scale._RECKONED:
        assert Options(preset, examples=9).n_examples == 9


def test_the_command_prints_what_it_measured_and_assumed(monkeypatch, tmp_path, capsys):
    json = tmp_path / "scale.json"
    monkeypatch.setattr(sys, "argv", ["scale", "digits", "--examples=1500", f"--json={json}"])
    n_threads = torch.get_num_threads()
    try:
        assert scale.main() == 0
    finally:
        torch.set_num_threads(n_threads)
    said, record = capsys.readouterr().out, records.load(json)
    assert said.strip() == report.render(record).strip()
    assert "Assumed, not measured: a GPU sustains 30 Tflop/s" in said
    assert len(record.as_type(Plan).places) == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"preset": "nothing"}, "preset must be one of"),
        ({"preset": "ptb"}, "image-folder, not 'ptb'"),  # the last that can be reckoned with
        ({"examples": 0}, "examples must be at least 1"),
        ({"preset": "image-folder"}, "examples: say how many image-folder has to learn from"),
        ({"preset": "digits-anomaly"}, "examples: say how many digits-anomaly has"),
        ({"gpu_tflops": 0.0}, "gpu_tflops must be above 0"),
        ({"pass_ms": float("nan")}, "pass_ms must be above 0"),
    ],
)
def test_settings_outside_their_range_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        Options(**changes)
