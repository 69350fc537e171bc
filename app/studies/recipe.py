"""A chain's recipe, and the Python lines that make it again with the library alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from app.models import ModelEntry
from app.studies import chain_run
from lebm.recipe import ChainRecipe, Segment


def recipe_of(
    segments: Sequence[chain_run.Segment], n_steps: int, entry: ModelEntry, fingerprint: str
) -> ChainRecipe:
    """The recipe of a chain as far as it was stepped.

    Args:
        segments: its settings, by the step from which on they hold.
        n_steps: the steps that were taken.
        entry: where its model is.
        fingerprint: of the model's weights.
    """
    ends = [*(each.start for each in segments), n_steps]
    parts = tuple(
        Segment(each.settings.seed, each.settings.sampler(end - start), each.settings.adjusted)
        for each, (start, end) in zip(segments, pairwise(ends), strict=True)
    )
    settings = segments[0].settings
    return ChainRecipe(entry.id, fingerprint, settings.n_chains, parts, settings.tilt)


def lines(recipe: ChainRecipe, entry: ModelEntry, step: int) -> str:
    """A script; after it `chain` is the trajectory and `examples` what one step decodes to.

    Args:
        recipe: the chain.
        entry: where its model is.
        step: the step that is looked at.
    """
    imports, loading = _loading(entry)
    names = ["ChainNoise", "LangevinConfig", "langevin", *imports.get("lebm", ())]
    names += ["mala"] if any(segment.adjusted for segment in recipe.segments) else []
    tilt = "" if recipe.tilt == 1 else f"{recipe.tilt:g}"
    script = [*imports.get("", ()), f"from lebm import {', '.join(sorted(names, key=_by_kind))}"]
    script += ["", loading, f"density = model.prior_density({tilt})"]
    for i, segment in enumerate(recipe.segments):
        script += _segment(recipe, segment, first=i == 0)
    script.append(f"examples = model.generate(chain.z[{step}])")
    return "\n".join(script)


def _by_kind(name: str) -> tuple[bool, str]:
    """Classes before functions, as imports are sorted."""
    return name[0].islower(), name


def _loading(entry: ModelEntry) -> tuple[dict[str, tuple[str, ...]], str]:
    """Names to import, by package ("" for whole lines), and the line that loads the model."""
    path = ("from pathlib import Path", "")
    if not entry.id.startswith(("runs/", "upload/")):
        return {"lebm": ("zoo",)}, f"model, card = zoo.load_model({entry.id!r})"
    if entry.id.startswith("runs/"):
        return {"lebm": ("load",), "": path}, f"model, card = load(Path({str(entry.path)!r}))"
    name = entry.id.removeprefix("upload/")
    if name.lower().endswith(".safetensors"):
        return {"lebm": ("load",), "": path}, f"model, card = load(Path({name!r}))"
    loading = f"model = reference.loads(Path({name!r}).read_bytes(), name={name!r}).model"
    return {"lebm": ("reference",), "": path}, loading


def _segment(recipe: ChainRecipe, segment: Segment, *, first: bool) -> list[str]:
    """The lines that take the steps of one setting."""
    s = segment.sampler
    state = "langevin.init(density, noise.at(0))" if first else "chain.state"
    kernel = ", kernel=mala.adjusted(noise)" if segment.adjusted else ""
    settings = f"n_steps={s.n_steps}, step_size={s.step_size!r}, temperature={s.temperature!r}"
    run = f"langevin.run(density, {state}, config, noise=noise{kernel})"
    return [
        "",
        f"noise = ChainNoise({segment.seed}, range({recipe.n_chains}), model.config.latent_dim)",
        f"config = LangevinConfig({settings})",
        *([f"chain = {run}"] if first else [f"later = {run}", "chain = chain.extend(later)"]),
    ]
