"""The Posterior page as Streamlit runs it, without a browser."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from explorer import arrived
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.studies import examples, own_picture
from app.studies.chain_run import ChainRun
from lebm import checkpoint, zoo
from lebm.model import ModelConfig
from train import data
from train.words import counted

PageOf = Callable[..., AppTest]


@pytest.fixture
def page(page_of: PageOf) -> AppTest:
    return page_of("posterior", model="digits")


def _run(page: AppTest) -> ChainRun:
    arrived(page)
    return page.session_state["posterior.run"]


def _explains(run: ChainRun, x: torch.Tensor) -> bool:
    """Whether the chains of a run are those of the example x."""
    return torch.allclose(
        run.trajectory.log_likelihood[0], run.model.log_likelihood(x, run.trajectory.z[0])
    )


def _png(width: int, height: int, value: int = 255) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height), value).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("name", sorted(zoo.paths().keys() - {"text"}))
def test_it_opens_on_restarts_of_every_zoo_model(page: AppTest, name: str) -> None:
    page.query_params["model"] = name
    run = _run(page)
    card = zoo.load_model(name)[1]
    assert run.settings.n_chains == 9
    assert run.settings.n_steps == card.reconstruction_sampler.n_steps
    assert run.settings.step_size == card.reconstruction_sampler.step_size
    assert [m.label for m in page.metric][:2] == ["Median MSE", "Best MSE"]
    assert not page.error
    sources = [c.value for c in page.caption if "held-out" in c.value or "itself" in c.value]
    assert ("itself" in sources[0]) == (name not in ("digits", "pinwheel"))  # others need data


def test_restarts_reconstruct_the_example_that_was_chosen(page: AppTest) -> None:
    page.query_params["i"] = "7"
    run = _run(page)
    x = data.to_model_range(data.load("digits", (1, 8, 8)).test[7:8])
    assert _explains(run, x)
    assert float(page.metric[1].value) < 0.02  # the zoo's card says 0.012 on average
    page.number_input(key="i").set_value(8)
    assert _run(page) is not run


def test_each_number_is_shown_under_its_own_name(page: AppTest) -> None:
    _run(page)
    _, found = page.session_state["posterior.restarts"]
    joint = found.neg_log_joint
    shown = {metric.label: metric.value.replace("−", "-") for metric in page.metric}
    assert shown == {
        "Median MSE": f"{np.median(found.mse):.4f}",
        "Best MSE": f"{min(found.mse):.4f}",
        "Best −log p(x, z)": f"{min(joint):.1f}",
        "Worst − best": f"{max(joint) - min(joint):.1f}",
        "Latents apart": f"{found.latent_share:.2f} ×",
        "Decoded apart": f"{found.example_share:.2f} ×",
    }
    assert len(set(shown.values())) == 6


def test_the_number_is_that_of_the_example_however_few_there_are(
    page: AppTest, save_run: Callable[..., Path]
) -> None:
    tests = data.load("digits", (1, 8, 8)).test
    path = save_run("tiny")  # its data are not here: the model's own samples are
    page.query_params["i"] = "9999"
    run = _run(page)
    number = page.number_input(key="i")
    assert (number.value, number.max) == (len(tests) - 1, len(tests) - 1)
    assert page.query_params["i"] == str(number.value)
    assert _explains(run, data.to_model_range(tests[-1:]))
    page.sidebar.selectbox(key="model").set_value("runs/tiny")
    run = _run(page)
    assert page.number_input(key="i").value == examples.N_SAMPLES - 1
    samples = examples.find(*checkpoint.load(path))
    assert _explains(run, data.to_model_range(samples.rows[-1:]))


def test_restarts_are_stopped_on_the_way_and_compared_there(
    page: AppTest, hold_chains: Callable[[], None]
) -> None:
    hold_chains()
    page.query_params["K1"] = "500"
    page.run()
    assert "posterior.run" not in page.session_state
    _, job = page.session_state["posterior.wait"]
    page.button(key="posterior.wait.stop").click().run()
    assert job.finished.wait(60)
    run = _run(page)
    assert run.n_taken < 500
    assert page.subheader[0].value == f"9 restarts after {counted(run.n_taken, 'step')}"
    assert page.info[0].value == f"Stopped after {run.n_taken} of 500 steps."


def test_the_address_sets_the_controls(page: AppTest) -> None:
    for name, value in {"K1": "9", "seed": "4", "n1": "4", "T1": "0.5", "s1": "0.01"}.items():
        page.query_params[name] = value
    settings = _run(page).settings
    assert (settings.n_steps, settings.seed, settings.n_chains) == (9, 4, 4)
    assert (settings.temperature, settings.step_size) == (0.5, 0.01)
    assert "4 restarts after 9 steps" in page.subheader[0].value


def test_other_settings_are_shown_at_their_own_last_step(page: AppTest) -> None:
    page.query_params.update({"K1": "20", "step": "12", "chain": "2", "curve": "force_tilt"})
    _run(page)
    assert page.session_state["posterior.view"].step == 12
    for n_steps in (60, 10):
        page.sidebar.number_input(key="K1").set_value(n_steps)
        assert _run(page).n_taken == n_steps
        view = page.session_state["posterior.view"]
        assert (view.step, view.chain, view.curve) == (n_steps, 2, "force_tilt")
        assert page.query_params["step"] == str(n_steps)


def test_nonsense_in_the_address_falls_back(page: AppTest) -> None:
    names = ("K1", "seed", "n1", "T1", "s1", "step", "chain", "curve", "i", "x", "x_from", "inv")
    for name in names:
        page.query_params[name] = "../../etc/passwd"
    assert _run(page).settings.n_chains == 9
    for source in ("Drawing", "Upload"):
        page.segmented_control(key="x_from").set_value(source).run()
        assert not page.exception
        assert page.info


def test_another_model_brings_its_own_sampler(page: AppTest, save_run: Callable) -> None:
    save_run("mine")
    _run(page)
    page.sidebar.number_input(key="K1").set_value(33).run()
    page.sidebar.selectbox(key="model").set_value("runs/mine")
    run = _run(page)
    assert (run.settings.n_steps, run.settings.step_size) == (6, 0.05)


def test_a_point_by_its_coordinates(page: AppTest) -> None:
    for name, value in {"model": "pinwheel", "point": "Coordinates", "x1": "1.25"}.items():
        page.query_params[name] = value
    run = _run(page)
    x = torch.tensor([[1.25, 0.5]])
    assert _explains(run, x)


def test_a_single_restart_is_shown(page: AppTest) -> None:
    page.query_params["n1"] = "1"
    _run(page)
    assert page.subheader[0].value.startswith("1 restart after ")


def test_a_picture_of_the_address_is_explained(page: AppTest) -> None:
    pixels = torch.randint(0, 256, (1, 8, 8), generator=torch.Generator().manual_seed(0))
    pixels = pixels.to(torch.uint8)
    page.query_params["x_from"] = "Drawing"
    page.query_params["x"] = own_picture.to_address(pixels)
    run = _run(page)
    x = data.to_model_range(pixels[None])
    assert _explains(run, x)


def test_an_upload_is_fitted_and_kept_in_the_address(page: AppTest) -> None:
    page.query_params["x_from"] = "Upload"
    page.run()
    assert page.info  # nothing is chosen yet
    page.file_uploader(key="example.file").set_value(("white.png", _png(60, 40), "image/png"))
    run = _run(page)
    assert any("60 × 40" in c.value for c in page.caption)
    x = torch.ones(1, 1, 8, 8)
    assert _explains(run, x)
    kept = own_picture.from_address(page.query_params["x"])
    assert torch.equal(kept, torch.full((1, 8, 8), 255, dtype=torch.uint8))
    page.checkbox(key="inv").set_value(True)
    run = _run(page)
    assert _explains(run, -x)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("paper.pdf", b"%PDF-1.7 not a picture", "choose a PNG"),
        ("picture.png", b"", "choose a PNG"),
        ("cut.png", _png(200, 200)[:60], "damaged"),
        ("bomb.png", _png(9_000, 9_000, 0), "million is the most"),
        ("![x](http://example.org/x.png)", b"MZ\x90", "choose a PNG"),
    ],
)
def test_a_hostile_upload_is_one_sentence_and_loses_nothing(
    page: AppTest, name: str, content: bytes, sentence: str
) -> None:
    page.query_params["x_from"] = "Upload"
    page.run()
    page.file_uploader(key="example.file").set_value(("white.png", _png(60, 40), "image/png"))
    before = _run(page)
    page.file_uploader(key="example.file").set_value((name, content, "image/png"))
    after = _run(page)
    assert len(page.error) == 1
    assert sentence in page.error[0].value
    assert "example.org" not in page.error[0].value
    assert after is before


def test_a_drawing_follows_to_a_model_of_another_size(page: AppTest) -> None:
    page.query_params["x_from"] = "Upload"
    page.run()
    page.file_uploader(key="example.file").set_value(("white.png", _png(60, 40), "image/png"))
    _run(page)
    page.sidebar.selectbox(key="model").set_value("fashion-mnist")
    run = _run(page)
    x = torch.ones(1, 1, 28, 28)
    assert _explains(run, x)


def test_large_pictures_and_colour_open(page: AppTest, save_run: Callable) -> None:
    save_run("faces", ModelConfig(latent_dim=4, data_shape=(3, 128, 128), width=1, prior_hidden=4))
    for name, value in {"model": "runs/faces", "n1": "4", "K1": "2"}.items():
        page.query_params[name] = value
    run = _run(page)
    assert run.examples.shape[2:] == (64, 64, 3)
    assert not page.error


@pytest.mark.parametrize(("n", "said"), [(1, "1 chain was stopped"), (4, "4 chains were stopped")])
def test_chains_that_diverge_are_told(page: AppTest, n: int, said: str) -> None:
    for name, value in {"s1": "2", "K1": "60", "n1": str(n)}.items():
        page.query_params[name] = value
    run = _run(page)
    assert len(run.trajectory.failures) == n
    assert page.warning[0].value.startswith(f"{said}; the first: ")
    assert np.isfinite(float(page.metric[0].value))


def test_the_lines_to_copy_make_the_chains_that_are_shown(page: AppTest) -> None:
    for name, value in {"i": "5", "n1": "4", "K1": "20", "step": "12", "seed": "3"}.items():
        page.query_params[name] = value
    run = _run(page)
    page.button(key="posterior.python").click()
    assert _run(page) is run
    names: dict[str, object] = {}
    exec(page.code[0].value, names)
    torch.testing.assert_close(names["chain"].z, run.trajectory.z, rtol=0, atol=1e-4)
    torch.testing.assert_close(names["examples"], run.model.generate(run.trajectory.z[12]))


def test_restarts_may_start_from_the_inference_network(
    page: AppTest, save_run: Callable[..., Path]
) -> None:
    config = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
    save_run("learned", replace(config, amortised=True))
    page.query_params["model"] = "runs/learned"
    plain = _run(page)
    assert not plain.settings.learned_start
    page.sidebar.toggle(key="amortised").set_value(True)
    learned = _run(page)
    noise = plain.trajectory.z[0]
    start = learned.model.learned_start(noise, learned.x)
    assert torch.equal(learned.trajectory.z[0], start)
    assert any("draws of q_φ(z|x), learned" in caption.value for caption in page.caption)
