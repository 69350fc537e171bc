"""The Fréchet distance of Gaussians whose distance is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from train.frechet import Frechet

CPU = torch.device("cpu")


class Identity(nn.Module):
    num_features = 3

    def forward(self, x: Tensor) -> Tensor:
        return x


def rows(mean: list[float], factor: Tensor, seed: int) -> Tensor:
    """Rows whose sample mean and covariance are exactly `mean` and factor factor'."""
    draws = torch.randn(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    centred = draws - draws.mean(0)
    white = centred @ torch.linalg.inv(torch.linalg.cholesky(centred.T.cov())).T
    return white @ factor.T + torch.tensor(mean, dtype=torch.float64)


def distance(a: Tensor, b: Tensor, batch: int = 200) -> float:
    return Frechet(a.split(batch), Identity(), CPU).distance(b.split(batch))


def test_gaussians_along_the_axes_have_the_distance_of_means_and_deviations():
    a, b = torch.tensor([1.0, 2.0, 0.5]).double(), torch.tensor([0.3, 2.0, 1.5]).double()
    ours = distance(rows([1, 0, 0], a.diag(), 0), rows([0, 2, 0], b.diag(), 1))
    assert ours == pytest.approx(1 + 4 + float((a - b).square().sum()), rel=1e-9)


def test_turning_both_gaussians_changes_nothing(rng):
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=rng)).Q
    a, b = torch.tensor([1.0, 2.0, 0.5]).double().diag(), torch.eye(3).double()
    x, y = rows([0, 0, 0], a, 0), rows([1, 1, 0], b, 1)
    assert distance(x @ turn, y @ turn) == pytest.approx(distance(x, y), rel=1e-9)


def test_a_set_is_at_no_distance_from_itself_and_batches_do_not_matter():
    x, y = rows([0, 1, 2], torch.eye(3).double(), 0), rows([3, 1, 2], torch.eye(3).double(), 1)
    assert distance(x, x) == pytest.approx(0, abs=1e-9)
    assert distance(x, y, batch=7) == pytest.approx(9, rel=1e-9)


def test_real_images_are_kept_from_one_set_of_samples_to_the_next():
    seen = []

    class Counting(Identity):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return x

    eye = torch.eye(3).double()
    real, *sets = (rows([mean, 0, 0], eye, mean) for mean in (0, 1, 2, 1))
    frechet = Frechet([real], Counting(), CPU)
    found = [frechet.distance([fake]) for fake in sets]
    assert found == pytest.approx([1, 4, 1], rel=1e-9)
    assert sum(seen) == 200 + 3 * 200
