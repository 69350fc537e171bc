"""Python lines that a page gives to copy: what they import, and the steps they begin with."""

from __future__ import annotations

import textwrap

from app.models import ModelEntry
from app.studies.examples import Example
from lebm.langevin import LangevinConfig

_WIDTH = 100
_ORDER = ("dataclasses", "pathlib", "torch", "lebm", "train")  # of imports


class Script:
    """Python lines under way.

    Args:
        entry: the model that `model` and `card` are to be; None leaves loading to later lines.
    """

    def __init__(self, entry: ModelEntry | None = None) -> None:
        self._names: dict[str, set[str]] = {}
        self._lines: list[str] = []
        if entry is not None:
            self._load(entry)

    def use(self, module: str, *names: str) -> None:
        """Import these names, or the module itself."""
        self._names.setdefault(module, set()).update(names)

    def add(self, *lines: str) -> None:
        """Go on with these lines."""
        self._lines += lines

    def add_long(self, line: str) -> None:
        """Go on with a line that may be broken at each of its spaces."""
        self._lines += textwrap.wrap(line, _WIDTH, subsequent_indent="    ")

    def config(self, sampler: LangevinConfig) -> str:
        """The expression of a chain's settings."""
        self.use("lebm", "LangevinConfig")
        return (
            f"LangevinConfig(n_steps={sampler.n_steps}, step_size={sampler.step_size!r}, "
            f"temperature={sampler.temperature!r})"
        )

    def __str__(self) -> str:
        modules = sorted(self._names, key=lambda name: (_ORDER.index(name.partition(".")[0]), name))
        return "\n".join([*map(self._import, modules), "", *self._lines])

    def _import(self, module: str) -> str:
        if not self._names[module]:
            return f"import {module}"
        # classes before functions, as imports are sorted
        names = sorted(self._names[module], key=lambda name: (name[0].islower(), name))
        return f"from {module} import {', '.join(names)}"

    def _load(self, entry: ModelEntry) -> None:
        name = entry.id.removeprefix("upload/")
        if not entry.id.startswith(("runs/", "upload/")):
            self.use("lebm", "zoo")
            self.add(f"model, card = zoo.load_model({entry.id!r})")
            return
        self.use("pathlib", "Path")
        if entry.id.startswith("runs/") or name.lower().endswith(".safetensors"):
            self.use("lebm", "load")
            path = name if entry.id.startswith("upload/") else str(entry.path)
            self.add(f"model, card = load(Path({path!r}))")
            return
        self.use("lebm", "reference")
        self.add(
            f"imported = reference.loads(Path({name!r}).read_bytes(), name={name!r})",
            "model, card = imported.model, imported.card",
        )

    def add_chains(self, name: str, density: str, sampler: str, seed: int, chains: str) -> None:
        """`name`, where chains end: `(n, latent_dim)`.

        Args:
            name: what to call it.
            density: name of what they climb.
            sampler: name of their settings.
            seed: of their noise.
            chains: their numbers, such as "range(64)".
        """
        self.use("lebm", "ChainNoise", "langevin")
        self.add(
            f"noise = ChainNoise({seed}, {chains}, model.config.latent_dim)",
            f"start = langevin.init({density}, noise.at(0))",
            f"{name} = langevin.run({density}, start, {sampler}, noise=noise).state.z",
        )

    def add_example(self, example: Example, file: str = "") -> None:
        """`x`, the example.

        Args:
            example: what it is to be.
            file: name of the NPZ file that holds it, for a picture of one's own.
        """
        n = example.number
        if example.origin == "test":
            self.add_tests(f"{n} : {n + 1}")
        elif example.origin == "sample":
            self.add_samples(f"[{n}]", are_pictures=example.x.ndim == 4)
        elif example.origin == "place":
            self.use("torch")
            place = ", ".join(str(v) for v in example.x[0].numpy())
            self.add(f"x = torch.tensor([[{place}]])")
        elif example.origin == "typed":
            self.add_sentence(example.typed)
        else:
            self.use("lebm", "archive")
            self.add(f"x = archive.load({file!r}).x  # from the NPZ file of this page")

    def add_sentence(self, words: str) -> None:
        """`x`, a sentence whose words have spaces between."""
        self.add(
            "(length,), vocabulary = model.config.data_shape, model.config.text.vocabulary",
            f"x = vocabulary.encode([{words!r}.split()], length)",
        )

    def add_tests(self, rows: str) -> None:
        """`x`, these rows of the model's test examples."""
        self.use("train", "data")
        tests = "data.unseen(card.facts, model.config)"
        self.add(f"x = data.to_model_range({tests}[{rows}])")

    def add_samples(self, chains: str, *, are_pictures: bool) -> None:
        """`x`, samples of the model, in as many grey levels as a data set's examples."""
        self.add("prior = model.prior_density()")
        self.add_chains("z", "prior", "card.prior_sampler", 0, chains)
        if not are_pictures:
            self.add("x = model.generate(z)")
            return
        self.use("train", "data")
        self.use("train.pictures", "quantise")
        self.add("x = data.to_model_range(quantise(model.generate(z)))")
