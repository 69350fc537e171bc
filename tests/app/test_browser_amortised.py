"""Models with learned samplers in a real Chromium: where chains start, and where they end."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lebm import zoo
from lebm.checkpoint import save
from lebm.model import LatentEBM

TOGGLE = "Start from the amortised sampler"


def _picture(page: Any) -> str:
    """What the player's first canvas shows."""
    return page.locator("canvas").first.evaluate("(canvas) => canvas.toDataURL()")


@pytest.fixture(scope="module")
def learned(runs: Path) -> str:
    """The id of a model with learned samplers: the zoo's digits, with samplers that know little."""
    known, card = zoo.load_model("digits")
    torch.manual_seed(0)
    model = LatentEBM(replace(known.config, amortised=True)).requires_grad_(False)
    model.load_state_dict(known.state_dict(), strict=False)
    for parameter in model.amortised.synthesis.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    folder = runs / "learned"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    save(folder / "checkpoints" / "step-000001.safetensors", model, card)
    return "runs/learned"


def test_chains_start_from_the_flow_and_the_address_says_so(
    open_page: Callable[..., Any], learned: str
) -> None:
    page = open_page(f"?model={learned}&K=20")
    page.get_by_text("Start: fresh noise").wait_for()
    page.click("button.start")
    page.wait_for_selector('output.counter[data-step="0"]')
    before = _picture(page)
    page.locator("label").filter(has_text=TOGGLE).click()  # before the address has the step
    page.get_by_text("Start: draws of q_ψ(z), learned").wait_for()
    page.wait_for_url(re.compile("amortised=true"))
    page.locator("section.player").focus()
    page.keyboard.press("Home")  # a button would be off if the page has kept to step 0
    page.wait_for_selector('output.counter[data-step="0"]')
    for _ in range(100):
        if _picture(page) != before:
            return
        page.wait_for_timeout(100)
    pytest.fail("the start is still that of the noise")


def test_a_link_opens_restarts_of_the_inference_network(
    open_page: Callable[..., Any], learned: str
) -> None:
    page = open_page(f"posterior?model={learned}&K1=20&amortised=true")
    page.get_by_text("9 restarts after 20 steps").wait_for()
    assert page.get_by_text("Start: draws of q_φ(z|x), learned").is_visible()
    page.get_by_text(re.compile("Terms of −log p")).first.wait_for()


def test_the_flow_s_cloud_stands_beside_the_prior_s_on_a_phone(
    open_page: Callable[..., Any], learned: str
) -> None:
    options = {"color_scheme": "dark", "viewport": {"width": 400, "height": 900}}
    page = open_page(f"tilted-prior?model={learned}", wait_for="h2", **options)
    page.locator(".legendtext").get_by_text("learned sampler").wait_for(timeout=240_000)
    assert page.evaluate("() => document.body.scrollWidth - document.body.clientWidth") <= 0


def test_models_without_learned_samplers_offer_no_such_start(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits&amortised=true&K=5")
    page.get_by_text("Start: fresh noise").wait_for()
    assert page.locator("label").filter(has_text=TOGGLE).count() == 0
    assert page.get_by_role("alert").count() == 0
