"""Data that come with the program: points in the plane, scikit-learn's digits."""

from __future__ import annotations

import numpy as np
import torch

from train.data.base import Dataset, Request


def _points(name: str, points: np.ndarray) -> Dataset:
    """12,000 points, standardised to mean 0 and unit mean variance, the last 2,000 held out."""
    centred = points - points.mean(0)
    rows = torch.from_numpy((centred / centred.std()).astype(np.float32))
    return Dataset(name, rows[:10_000], rows[10_000:])


def pinwheel(request: Request) -> Dataset:
    rng = np.random.default_rng(0)
    arm = rng.integers(5, size=12_000)
    radius, across = 1 + 0.3 * rng.normal(size=12_000), 0.1 * rng.normal(size=12_000)
    angle = 2 * np.pi * arm / 5 + 0.25 * np.exp(radius)
    x = radius * np.cos(angle) - across * np.sin(angle)
    y = radius * np.sin(angle) + across * np.cos(angle)
    return _points(request.name, np.stack([x, y], 1))


def two_moons(request: Request) -> Dataset:
    from sklearn.datasets import make_moons  # a second to import

    points, _ = make_moons(12_000, noise=0.07, random_state=0)
    return _points(request.name, points)


def ring(request: Request) -> Dataset:
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * rng.integers(8, size=12_000) / 8
    centres = np.stack([np.cos(angle), np.sin(angle)], 1)
    return _points(request.name, centres + 0.1 * rng.normal(size=centres.shape))


def digits(request: Request) -> Dataset:
    """1,797 digits with grey values 0 to 16, the last 297 held out."""
    from sklearn.datasets import load_digits  # a second to import

    known = load_digits()
    images, labels = known.images[:, None], torch.from_numpy(known.target).long()
    pixels = torch.from_numpy(np.round(images * (255 / 16)).astype(np.uint8))
    both = (labels[:1500], labels[1500:])
    return Dataset(request.name, pixels[:1500], pixels[1500:], labels=both)
