"""Plain English sentences from a small grammar of this project's own making; no corpus.

Each sentence belongs to one of eight scenes (a kitchen, a harbour, ...), which says who can do
what to what and where. So a sentence has something to tell a latent vector beyond its grammar:
the scene, whether it asks, denies or reports, who acts, when.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Scene:
    """Words that go together."""

    people: list[str]
    deeds: dict[tuple[str, str], list[str]]
    """(infinitive, past, which is the participle, too) -> what it is done to."""
    kinds: list[str]
    """Adjectives for those things."""
    places: list[str]


def _scene(people: str, deeds: str, kinds: str, places: str) -> Scene:
    """From words apart by spaces; deeds as "wash washed plates pans, ...", places by commas."""
    parts = [deed.split() for deed in deeds.split(",")]
    return Scene(
        people.split(),
        {(infinitive, past): things for infinitive, past, *things in parts},
        kinds.split(),
        [place.strip() for place in places.split(",")],
    )


SCENES = [
    _scene(
        "cook baker guest waiter grandmother butcher",
        "wash washed plates spoons apples, bake baked buns cakes potatoes, "
        "taste tasted soups sauces cherries, burn burned pancakes onions buns, "
        "serve served soups pies cakes",
        "hot sweet fresh salty",
        "in the kitchen, at the stove, beside the oven, on the long table",
    ),
    _scene(
        "sailor captain fisherman pilot boatman diver",
        "mend mended nets sails ropes, load loaded boats barrels crates, "
        "paint painted boats masts, lift lifted anchors crates nets, "
        "watch watched waves gulls ships",
        "wet heavy rusty white",
        "in the harbour, on the deck, below the lighthouse, along the shore",
    ),
    _scene(
        "teacher pupil student headmaster girl boy",
        "open opened books letters windows, copy copied sums poems maps, "
        "learn learned songs poems rules, collect collected pencils books maps, "
        "explain explained rules sums",
        "long short difficult easy",
        "at school, in the classroom, behind the desk, on the playground",
    ),
    _scene(
        "gardener neighbour aunt beekeeper painter child",
        "plant planted roses trees beans, water watered roses tulips beans, "
        "pick picked cherries apples roses, pull pulled weeds carrots, rake raked leaves paths",
        "green ripe dry young",
        "in the garden, under the apple tree, by the hedge, near the pond",
    ),
    _scene(
        "merchant farmer customer thief widow butcher",
        "count counted coins eggs baskets, weigh weighed apples melons nails, "
        "carry carried baskets sacks hens, order ordered melons carpets eggs, "
        "offer offered carpets hens lamps",
        "cheap dear old small",
        "at the market, in the square, behind the stall, outside the town hall",
    ),
    _scene(
        "driver passenger guard traveller soldier porter",
        "miss missed trains buses, stop stopped trains trams, check checked tickets clocks doors, "
        "push pushed trunks carts, follow followed signals tracks, close closed doors gates",
        "late early crowded slow",
        "at the station, on the platform, near the bridge, in the tunnel",
    ),
    _scene(
        "climber guide shepherd hunter hermit ranger",
        "cross crossed rivers bridges valleys, climb climbed rocks peaks, "
        "track tracked wolves goats, gather gathered nuts berries herbs, "
        "photograph photographed peaks eagles goats",
        "steep high cold lonely",
        "in the mountains, above the valley, near the summit, beside the glacier",
    ),
    _scene(
        "singer violinist actor conductor dancer critic",
        "practise practised songs dances scenes, tune tuned violins drums, "
        "play played waltzes scales tunes, praise praised songs dances plays, "
        "rehearse rehearsed plays scenes waltzes",
        "loud quiet famous new",
        "on the stage, in the theatre, behind the curtain, before the concert",
    ),
]
NATURES = ["old", "young", "tired", "happy", "careful", "lazy", "clever", "nervous"]
TIMES = [
    "in the morning",
    "at night",
    "after lunch",
    "before dawn",
    "on sunday",
    "last winter",
    "every day",
    "all summer",
]
MANNERS = ["slowly", "quickly", "quietly", "often", "always", "again"]


def draw(n: int, *, seed: int) -> list[str]:
    """n different sentences, words and marks with spaces between; the seed decides them."""
    rng = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < n:
        found[_Sentence(SCENES[rng.integers(len(SCENES))], rng).text()] = None
    return list(found)


class _Sentence:
    """One draw from the grammar, 5 to 18 words and marks."""

    def __init__(self, scene: Scene, rng: np.random.Generator) -> None:
        self.scene, self.rng = scene, rng
        deeds = list(scene.deeds)
        self.verb, self.past = deeds[rng.integers(len(deeds))]
        self.thing = self._one_of(scene.deeds[self.verb, self.past])

    def text(self) -> str:
        forms = (
            self._report,
            self._report,
            self._report,
            self._question,
            self._denial,
            self._passive,
            self._wish,
        )
        return forms[self.rng.integers(len(forms))]()

    def _report(self) -> str:
        when, where = self._maybe(0.35, TIMES), self._maybe(0.5, self.scene.places)
        how = self._maybe(0.25, MANNERS)
        said = self._join(self._who(), how, self.past, self._what(), where)
        if self.rng.random() < 0.5:
            return self._join(said, when, ".")
        return self._join(when and f"{when} ,", said, ".")

    def _question(self) -> str:
        asked = self._one_of(["why did", "when did", "did", "where did"])
        rest = self._maybe(0.4, TIMES) if asked != "when did" else ""
        return self._join(asked, self._who(), self.verb, self._what(), rest, "?")

    def _denial(self) -> str:
        no = self._one_of(["did not", "could not", "would never"])
        where = self._maybe(0.4, self.scene.places)
        return self._join(self._who(), no, self.verb, self._what(), where, ".")

    def _passive(self) -> str:
        by = f"by {self._who()}" if self.rng.random() < 0.6 else ""
        when = self._maybe(0.4, TIMES)
        return self._join(f"the {self.thing} were", self.past, by, when, ".")

    def _wish(self) -> str:
        wanted = self._one_of(["wanted to", "had to", "hoped to", "forgot to"])
        where = self._maybe(0.4, self.scene.places)
        return self._join(self._who(), wanted, self.verb, self._what(), where, ".")

    def _who(self) -> str:
        people = self.scene.people
        if self.rng.random() < 0.15:
            first, second = self.rng.choice(len(people), 2, replace=False)
            return f"the {people[first]} and the {people[second]}"
        return self._join("the", self._maybe(0.3, NATURES), self._one_of(people))

    def _what(self) -> str:
        article = self._one_of(["the", "the", "two", "some", "many"])
        return self._join(article, self._maybe(0.35, self.scene.kinds), self.thing)

    def _one_of(self, choices: list[str]) -> str:
        return choices[self.rng.integers(len(choices))]

    def _maybe(self, p: float, choices: list[str]) -> str:
        return self._one_of(choices) if self.rng.random() < p else ""

    @staticmethod
    def _join(*parts: str) -> str:
        return " ".join(part for part in parts if part)
