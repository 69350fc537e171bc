"""Cards of models; `python -m train.cards [PATH ...]` prints them as a Markdown table."""

from __future__ import annotations

import math
import platform
import sys
from collections import Counter
from pathlib import Path

import torch
import tyro

from lebm import zoo
from lebm.checkpoint import CheckpointError, ModelCard
from lebm.langevin import LangevinConfig
from lebm.model import ModelConfig
from train import markdown, models
from train.config import TrainConfig
from train.evaluation import EVALUATED
from train.run_dir import RunError

_RESULTS = {
    "test_mse": f"test MSE (first {EVALUATED})",
    "log_prob": "log p(x) of test points",
    "log_prob_gaussian": "the same with f = 0",
    "auprc": "AUPRC",
    "auprc_trapezoid": "AUPRC by trapezoid",
    "test_nll": "−log p(x|z) of test sentences, nats",
    "test_nll_shuffled": "the same with another sentence's z",
}


def main(paths: tyro.conf.Positional[tuple[Path, ...]] = ()) -> int:
    """Print the cards of models, or of the whole zoo: one column a model.

    Args:
        paths: model files, or runs, whose last checkpoint it is; none means the zoo.

    Returns:
        The exit status.
    """
    named = _named(paths) or zoo.paths()
    try:
        cards = {name: models.load(path)[1] for name, path in named.items()}
    except (CheckpointError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(cards))
    return 0


def _named(paths: tuple[Path, ...]) -> dict[str, Path]:
    """Files by their short names, or by their whole paths where two share one."""
    names = Counter(path.stem for path in dict.fromkeys(paths))
    return {path.stem if names[path.stem] == 1 else str(path): path for path in paths}


def run_card(
    config: TrainConfig,
    *,
    name: str,
    facts: dict[str, str | int | float],
    evaluated: dict[str, float],
    prior_sampler: LangevinConfig,
    reconstruction_sampler: LangevinConfig,
) -> ModelCard:
    """The card of a run's checkpoint.

    Args:
        config: the run's settings, the chief of which become facts.
        name: the model's name.
        facts: what trainer and method know: command, iterations, hardware, chains and so on.
        evaluated: the row of evaluation.csv.
        prior_sampler: the chain to sample the model's prior with.
        reconstruction_sampler: the posterior chain from p_0 noise.
    """
    optimizer = config.optimizer
    settings: dict[str, str | int | float] = {
        "data": config.dataset,
        "method": config.method,
        "latent_dim": config.model.latent_dim,
        "generator width": config.model.width,
        **_observation(config.model),
        "Adam": f"f {optimizer.lr_prior:g}, g {optimizer.lr_generator:g}, betas "
        f"{optimizer.betas}, × {optimizer.lr_decay:g} an epoch",
        "batch": config.batch_size,
        "seed": config.seed,
    }
    if config.held_out is not None:
        settings |= {"held-out class": config.held_out, "split seed": config.split}
    known = {name: value for name, value in evaluated.items() if not math.isnan(value)}
    results: dict[str, str | int | float] = {_RESULTS[k]: v for k, v in known.items()}
    return ModelCard(
        name=name,
        prior_sampler=prior_sampler,
        posterior_sampler=config.posterior_sampler,
        reconstruction_sampler=reconstruction_sampler,
        facts=settings | facts | results,
    )


def _observation(config: ModelConfig) -> dict[str, str | int | float]:
    """What p(x|z) has beside its network: σ, or a vocabulary."""
    if config.text is None:
        return {"σ": config.noise_std}
    return {
        "words": len(config.text.vocabulary.words),
        "longest sentence": config.data_shape[0] - 1,
    }


def hardware(device: torch.device, n_processes: int = 1) -> str:
    """The device's name, for a card, and how many of its kind share the work."""
    several = f"{n_processes} × " if n_processes > 1 else ""
    if device.type == "cuda":
        return several + torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{several}{_processor()}, {threads} thread{'s' if threads > 1 else ''}"


def _processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    names = Path("/proc/cpuinfo")
    if names.exists():
        for line in names.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def table(cards: dict[str, ModelCard]) -> str:
    """The facts of every card, a row each, as Markdown."""
    facts = dict.fromkeys(fact for card in cards.values() for fact in card.facts)
    rows = [
        [fact, *(_shown(card.facts.get(fact, "")) for card in cards.values())] for fact in facts
    ]
    return markdown.table(["", *cards], rows)


def _shown(value: str | int | float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(tyro.cli(main, prog="python -m train.cards"))
