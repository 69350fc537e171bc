"""A chain's recipe, and the Python lines that make it again with the library alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from app.models import ModelEntry
from app.studies import chain_run
from app.studies.examples import Example
from app.studies.script import Script
from lebm.recipe import ChainRecipe, Segment


def recipe_of(
    segments: Sequence[chain_run.Segment],
    n_steps: int,
    entry: ModelEntry,
    fingerprint: str,
    example: Example | None = None,
) -> ChainRecipe:
    """The recipe of a chain as far as it was stepped.

    Args:
        segments: its settings, by the step from which on they hold.
        n_steps: the steps that were taken.
        entry: where its model is.
        fingerprint: of the model's weights.
        example: whose posterior it climbs; None for a prior chain.
    """
    ends = [*(each.start for each in segments), n_steps]
    parts = tuple(
        Segment(each.settings.seed, each.settings.sampler(end - start), each.settings.adjusted)
        for each, (start, end) in zip(segments, pairwise(ends), strict=True)
    )
    settings, name = segments[0].settings, None if example is None else example.name
    return ChainRecipe(
        entry.id,
        fingerprint,
        settings.n_chains,
        parts,
        settings.tilt,
        name,
        settings.learned_start,
    )


def file_stem(recipe: ChainRecipe, example: Example | None = None) -> str:
    """What the files of a chain are called; it keeps its name while it takes more steps.

    Args:
        recipe: the chain.
        example: whose posterior it climbs; None for a prior chain.
    """
    model = "".join(c if c.isascii() and c.isalnum() else "-" for c in recipe.model)
    kind = "" if recipe.example is None else "-posterior"
    return f"{model}{kind}-seed{recipe.segments[0].seed}-{_digest(recipe, example)}"


def _digest(recipe: ChainRecipe, example: Example | None) -> str:
    """Six hexadecimal digits that change with any setting, and with the example."""
    *past, last = recipe.segments
    last = replace(last, sampler=replace(last.sampler, n_steps=0))
    digest = hashlib.sha256(replace(recipe, segments=(*past, last)).to_json().encode())
    if example is not None:
        digest.update(example.x.numpy().tobytes())
    return digest.hexdigest()[:6]


def lines(
    recipe: ChainRecipe,
    entry: ModelEntry,
    step: int,
    example: Example | None = None,
    *,
    speaks: bool = False,
) -> str:
    """A script; after it `chain` is the trajectory and `examples` what one step decodes to.

    Args:
        recipe: the chain.
        entry: where its model is.
        step: the step that is looked at.
        example: whose posterior the chain climbs; None for a prior chain.
        speaks: whether the model is one of sentences; they are then `sentences`.
    """
    script = Script(entry)
    if example is None:
        tilt = "" if recipe.tilt == 1 else f"{recipe.tilt:g}"
        script.add(f"density = model.prior_density({tilt})")
    else:
        script.add_example(example, f"{file_stem(recipe, example)}.npz")
        n = recipe.n_chains
        script.add(f"density = model.posterior_density(x.expand({n}, *x.shape[1:]))")
    for i, segment in enumerate(recipe.segments):
        _add_segment(script, recipe, segment, first=i == 0)
    script.add(f"examples = model.generate(chain.z[{step}])")
    if speaks:
        script.add("sentences = model.config.text.vocabulary.decode(examples)")
    return str(script)


def _add_segment(script: Script, recipe: ChainRecipe, segment: Segment, *, first: bool) -> None:
    """The lines that take the steps of one setting."""
    script.use("lebm", "ChainNoise", "langevin")
    if segment.adjusted:
        script.use("lebm", "mala")
    x = "" if recipe.example is None else ", x"
    start = f"model.learned_start(noise.at(0){x})" if recipe.learned_start else "noise.at(0)"
    state = f"langevin.init(density, {start})" if first else "chain.state"
    kernel = ", kernel=mala.adjusted(noise)" if segment.adjusted else ""
    run = f"langevin.run(density, {state}, config, noise=noise{kernel})"
    script.add(
        "",
        f"noise = ChainNoise({segment.seed}, range({recipe.n_chains}), model.config.latent_dim)",
        f"config = {script.config(segment.sampler)}",
        *([f"chain = {run}"] if first else [f"later = {run}", "chain = chain.extend(later)"]),
    )
