"""Python lines that make again what a page shows, with the library alone.

What a script leaves in its variables has the names that the page's study has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.models import ModelEntry
from app.studies import frame
from app.studies.chain_run import ChainSettings
from app.studies.examples import Examples
from app.studies.landscape import (
    N_PLACES,
    N_SAMPLES,
    PLANE_SIDE,
    ROUNDS,
    TYPED,
    Place,
    Plane,
    Point,
)
from app.studies.script import Script
from app.studies.tilt import MALA_STEPS, N_PARTICLES, TILTS

Known = Callable[[], Examples]

#: The last line of a model of sentences, where the lines above leave `decoded`.
SPOKEN = "\nsentences = model.config.text.vocabulary.decode(decoded)"


def line(entry: ModelEntry, places: Mapping[str, Place], known: Known) -> str:
    """The line through A and B.

    Args:
        entry: where the model is.
        places: "A" and "B".
        known: called if a place needs an example.
    """
    script = _through(entry, places, known)
    script.use("torch")
    script.add("", f"at = torch.linspace(-0.5, 1.5, {N_PLACES})[:, None]", "z = a + at * (b - a)")
    return _profiled(script)


def plane(
    entry: ModelEntry, places: Mapping[str, Place], known: Known, found: Plane, point: Point
) -> str:
    """The plane through A, B and C, and the point of it that is looked at."""
    script = _through(entry, places, known)
    script.use("torch")
    if found.is_whole:
        script.add("", "origin, axes = torch.zeros(2), torch.eye(2)")
    else:
        script.use("lebm", "paths")
        script.add("", "points = torch.stack([a, b, c])")
        script.add("origin, axes = points.mean(0), paths.plane_axes(points)")
    reach, (u, v) = str(found.ticks[-1]), point.at
    script.add(
        f"ticks = torch.linspace(-{reach}, {reach}, {PLANE_SIDE})",
        'v, u = torch.meshgrid(ticks, ticks, indexing="ij")',
        "z = origin + torch.stack([u, v], -1) @ axes",
        "energy = -model.prior.neg_energy(z)",
        "neg_log_prob = -model.prior.unnorm_log_prob(z)",
        "",
        f"selected = origin + torch.tensor([{u}, {v}]) @ axes",
        "decoded = model.generate(selected[None])",
    )
    return str(script)


def routes(entry: ModelEntry, places: Mapping[str, Place], known: Known) -> str:
    """Three ways from A to B."""
    script = _through(entry, places, known)
    script.use("lebm", "paths")
    script.add(
        "",
        f"straight = paths.straight(a, b, {N_PLACES})",
        f"spherical = paths.spherical(a, b, {N_PLACES})",
        f"coarse = paths.straight(a, b, {1 + N_PLACES // 2})",
        f"low_energy = paths.low_energy(prior, coarse, n_rounds={ROUNDS})",
        "for path in (straight, spherical, low_energy):",
        "    print(paths.barrier(-prior(path)))",
        "decoded = model.generate(low_energy[::5])",
    )
    return str(script)


def prior_directions(entry: ModelEntry, seed: int, number: int) -> str:
    """Through the mean of prior samples along a principal direction, counted from 0."""
    script = Script(entry)
    script.add("prior = model.prior_density()")
    script.add_chains("samples", "prior", "card.prior_sampler", seed, f"range({N_SAMPLES})")
    return _traversed(script, number)


def posterior_directions(entry: ModelEntry, known: Examples, n: int, number: int) -> str:
    """The same for the aggregate posterior of the first n examples."""
    script = Script(entry)
    if known.data is None:
        script.add_samples(f"range({len(known.rows)})", are_pictures=known.rows.ndim == 4)
    else:
        script.add_tests(f":{n}")
    script.use("lebm", "langevin")
    script.use("torch")
    script.add(
        "start = model.prior.sample_base(len(x), generator=torch.Generator().manual_seed(1))",
        "density, noise = model.posterior_density(x), torch.Generator().manual_seed(2)",
        "sampler = card.reconstruction_sampler",
        "samples = langevin.sample(density, start, sampler, generator=noise)",
    )
    return _traversed(script, number)


def tilted_prior(
    entry: ModelEntry,
    tilt: float,
    rows: Sequence[int],
    *,
    in_plane: bool = False,
    speaks: bool = False,
) -> str:
    """p_λ by annealing, and what some of its samples decode to.

    Args:
        entry: where the model is.
        tilt: λ, one of `TILTS`.
        rows: the samples that are decoded.
        in_plane: whether latent space is a plane, where quadrature is exact.
        speaks: whether the model is one of sentences.
    """
    script, i = Script(entry), TILTS.index(tilt)
    script.use("torch")
    script.use("lebm.tilting", "tilt_path")
    annealed = f"n_particles={N_PARTICLES}, mala_steps={MALA_STEPS}, generator=generator"
    script.add(
        f"tilts = torch.arange({len(TILTS)}) / 10",
        "generator = torch.Generator().manual_seed(0)",
        f"path = tilt_path(model.prior, tilts, {annealed})",
        f"log_z, error, kl = path.log_z[{i}], path.error[{i}], path.kl[{i}]",
        f"z = path.particles[{i}]  # samples of p_λ at λ = {tilt}",
    )
    script.add_long(f"decoded = model.generate(z[{list(rows)}])")
    if speaks:
        script.add("sentences = model.config.text.vocabulary.decode(decoded)")
    _add_quadrature(script, tilt) if in_plane else _add_frame(script)
    return str(script)


def _add_frame(script: Script) -> None:
    """`places`, the particles in the principal directions that are drawn."""
    script.use("dataclasses", "replace")
    script.use("lebm", "langevin")
    script.add(
        "",
        "generator, sampler = torch.Generator().manual_seed(0), card.prior_sampler",
        f"sampler = replace(sampler, n_steps=min(sampler.n_steps, {frame.MOST_STEPS}))",
        f"start = model.prior.sample_base({frame.N_SAMPLES}, generator=generator)",
        "end = langevin.sample(model.prior_density(), start, sampler, generator=generator)",
        "both = torch.cat([start, end[end.isfinite().all(-1)]])",
        "_, _, directions = torch.linalg.svd(both - both.mean(0), full_matrices=False)",
        "places = (z - both.mean(0)) @ directions[:2].T",
    )


def _add_quadrature(script: Script, tilt: float) -> None:
    script.use("lebm.exact", "PlaneGrid")
    script.add(
        "",
        "grid = PlaneGrid(extent=8.0, n_points=320)",
        f"tilt = {tilt} * model.prior.neg_energy(grid.points.float()).double()",
        "log_prob = tilt + model.prior.base_log_prob(grid.points)",
        "exact_log_z = grid.log_integral(log_prob)",
        "weights = (log_prob - exact_log_z).exp() * grid.cell_area",
        "exact_kl = (weights * tilt).sum() - exact_log_z",
    )


def time_machine(
    run: Path, steps: Sequence[int], settings: ChainSettings, *, speaks: bool = False
) -> str:
    """The same chains under checkpoints of a run.

    Args:
        run: its folder.
        steps: the checkpoints' training iterations.
        settings: the chains.
        speaks: whether the models are of sentences.
    """
    script = Script()
    script.use("pathlib", "Path")
    script.use("lebm", "ChainNoise", "langevin", "load")
    script.add(
        f"run = Path({str(run)!r})",
        f"config = {script.config(settings.sampler(settings.n_steps))}",
        "energies, examples = {}, {}",
    )
    script.add_long(f"for step in {list(steps)}:")
    chains = f"ChainNoise({settings.seed}, range({settings.n_chains}), model.config.latent_dim)"
    script.add(
        '    model, card = load(run / f"checkpoints/step-{step:06d}.safetensors")',
        f"    density, noise = model.prior_density(), {chains}",
        "    start = langevin.init(density, noise.at(0))",
        "    chain = langevin.run(density, start, config, noise=noise)",
        "    energies[step] = chain.energy[[0, -1]]  # of the noise, and where it ends",
        "    examples[step] = model.generate(chain.z[-1])",
    )
    if speaks:
        script.add("    examples[step] = model.config.text.vocabulary.decode(examples[step])")
    return str(script)


def _through(entry: ModelEntry, places: Mapping[str, Place], known: Known) -> Script:
    """A script that begins with the places, each `(latent_dim,)`, under their names."""
    script = Script(entry)
    script.add("prior = model.prior_density()")
    for name, place in places.items():
        script.add("")
        _add_place(script, name.lower(), place, known)
    return script


def _add_place(script: Script, name: str, place: Place, known: Known) -> None:
    if place.kind == "origin":
        script.use("torch")
        script.add(f"{name} = torch.zeros(model.config.latent_dim)")
    elif place.kind == "p₀ noise":
        script.use("lebm", "ChainNoise")
        noise = f"ChainNoise({place.seed}, [{place.number}], model.config.latent_dim)"
        script.add(f"[{name}] = {noise}.at(0)")
    elif place.kind == "prior chain":
        script.add_chains(
            f"[{name}]", "prior", "card.prior_sampler", place.seed, f"[{place.number}]"
        )
    else:
        if place.kind == TYPED:
            script.add_sentence(place.typed)
        else:
            script.add_example(known().example(place.number))
        script.add("posterior = model.posterior_density(x)")
        sampler = "card.reconstruction_sampler"
        script.add_chains(f"[{name}]", "posterior", sampler, place.seed, "[0]")


def _traversed(script: Script, number: int) -> str:
    script.use("torch")
    script.add(
        "",
        "mean = samples.mean(0)",
        "_, scales, directions = torch.linalg.svd(samples - mean, full_matrices=False)",
        f"deviation = scales[{number}] / (len(samples) - 1) ** 0.5",
        f"at = torch.linspace(-3, 3, {N_PLACES})[:, None]",
        f"z = mean + at * deviation * directions[{number}]",
    )
    return _profiled(script)


def _profiled(script: Script) -> str:
    """The script, which goes on with what the prior says along z, and what z decodes to."""
    script.add(
        "energy = -model.prior.neg_energy(z)",
        "neg_log_prob = -model.prior.unnorm_log_prob(z)",
        "decoded = model.generate(z[::10])",
    )
    return str(script)
