"""Feature extractors: which file is for which network, and what is refused."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import pytest
import torch
from torchmetrics.image import fid

from train import features
from train.features import EfficientNetLite0, FeaturesUnavailable, MNISTFeatures

REAL = Path(os.environ.get("LEBM_DATA", "")) / "weights"
needs_weights = pytest.mark.skipif(
    "LEBM_DATA" not in os.environ, reason="LEBM_DATA is unset: there are no trained extractors"
)


def refused(what: str | Path) -> str:
    with pytest.raises(FeaturesUnavailable) as caught:
        features.load(str(what))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("network", [EfficientNetLite0, MNISTFeatures])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
def test_a_file_is_recognised_and_its_network_takes_any_image(network, shape, tmp_path, rng):
    torch.manual_seed(0)
    torch.save(network().state_dict(), tmp_path / "mine.pth")
    found = features.load(str(tmp_path / "mine.pth"))
    assert found.label == "Fréchet distance (features: mine)"
    assert type(found.network) is network
    assert not found.network.training
    images = torch.randint(256, (2, *shape), dtype=torch.uint8, generator=rng)
    assert found.network(images).shape == (2, network.num_features)


def test_pictures_enter_each_network_as_those_it_was_trained_on():
    """By the mean and deviation of MNIST's values, and by the half range of ImageNet's."""
    seen: list[torch.Tensor] = []
    grey = torch.tensor([0, 127, 255], dtype=torch.uint8)
    for network, first, size, expected in (
        (MNISTFeatures(), "features.0", 28, (grey / 255 - 0.1307) / 0.3081),
        (EfficientNetLite0(), "_conv_stem", 128, (grey - 127.0) / 128),
    ):
        network.get_submodule(first).register_forward_pre_hook(lambda _, given: seen.append(*given))
        network.eval()(grey[:, None, None, None].expand(-1, 3, size, size))
        entered = seen.pop()
        torch.testing.assert_close(entered, expected[:, None, None, None].expand_as(entered))


def test_without_the_weights_of_fid_the_message_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    message = refused("inception")
    assert features.INCEPTION_URL in message
    assert str(tmp_path / "checkpoints") in message
    assert "--features" in message


def test_other_inception_weights_are_not_called_fid(tmp_path):
    torch.save({"Conv2d_1a_3x3.conv.weight": torch.zeros(1)}, tmp_path / "inception.pth")
    assert "other Inception weights" in refused(tmp_path / "inception.pth")


def test_inception_s_distance_is_fid(tmp_path, monkeypatch, rng):
    """The real network with weights made up here, in place of those with the known digest."""
    path = tmp_path / "checkpoints" / features.INCEPTION_FILE
    path.parent.mkdir()
    cls = fid.NoTrainInceptionV3
    with monkeypatch.context() as patch:
        patch.setattr(cls, "load_state_dict", lambda *_, **__: None)
        patch.setattr(torch, "load", lambda *_, **__: {})
        torch.save(cls("inception-v3-compat", ["2048"], "none").state_dict(), path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(features, "INCEPTION_SHA256", digest[:8])
    for what in ("inception", str(path)):
        found = features.load(what)
        assert found.label == "FID"
        images = torch.randint(256, (2, 1, 8, 8), dtype=torch.uint8, generator=rng)
        assert found.network(images).shape == (2, found.network.num_features)


def test_files_that_are_no_weights_are_refused(tmp_path):
    torch.save({"layer.weight": torch.zeros(1)}, tmp_path / "unknown.pth")
    assert "no network that is known" in refused(tmp_path / "unknown.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    assert "named weights" in refused(tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("nothing")
    assert "cannot be read" in refused(tmp_path / "text.pth")
    weights = MNISTFeatures().state_dict()
    del weights["classifier.0.bias"]
    torch.save(weights, tmp_path / "less.pth")
    assert "MNISTFeatures" in refused(tmp_path / "less.pth")
    assert "no such file" in refused(tmp_path / "missing.pth")


def test_nothing_in_a_file_is_run(tmp_path):
    marker = tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return Path.touch, (marker,)

    with (tmp_path / "evil.pth").open("wb") as file:
        pickle.dump(Payload(), file, protocol=2)
    refused(tmp_path / "evil.pth")
    assert not marker.exists()


def test_one_s_own_network_comes_from_a_function(tmp_path, monkeypatch):
    (tmp_path / "my_features.py").write_text(
        "import torch\n"
        "class Mean(torch.nn.Module):\n"
        "    num_features = 1\n"
        "    def forward(self, images):\n"
        "        return images.float().mean((1, 2, 3))[:, None]\n"
        "def build():\n"
        "    return Mean()\n"
        "def wrong():\n"
        "    return 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = features.load("my_features:build")
    assert found.label == "Fréchet distance (features: my_features:build)"
    assert found.network(torch.full((2, 1, 4, 4), 5, dtype=torch.uint8)).tolist() == [[5], [5]]
    assert "num_features" in refused("my_features:wrong")
    assert "nothing_here" in refused("my_features:nothing_here")
    assert "a function without arguments" in refused("train.features:load")
    assert "no_such_module" in refused("no_such_module:build")


@needs_weights
def test_the_mnist_network_tells_real_digits_apart():
    from torchvision import datasets

    found = features.load(str(REAL / "mnist_cnn_ccexam.pth"))
    digits = datasets.MNIST(REAL.parent / "mnist", train=False)
    units = found.network(digits.data[:1000, None])
    right = found.network.classifier[2](units).argmax(1) == digits.targets[:1000]
    assert right.float().mean() > 0.97


@needs_weights
def test_the_imagenet_network_loads_whole(rng):
    found = features.load(str(REAL / "efficientnet-lite0-57934424.pth"))
    assert found.label.endswith("(features: efficientnet-lite0-57934424)")
    picture = torch.randint(256, (1, 3, 128, 128), dtype=torch.uint8, generator=rng)
    assert found.network(picture).isfinite().all()
