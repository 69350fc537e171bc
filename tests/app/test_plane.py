from __future__ import annotations

import numpy as np

from app.figures import plane
from app.figures.style import FOLLOWED, TILTED


def test_the_plane_is_a_square_with_both_axes_named() -> None:
    layout = plane.plane("a title", plane.LATENT, 3.0).layout
    assert (layout.title.text, layout.xaxis.title.text) == ("a title", "z₁")
    assert layout.xaxis.range == layout.yaxis.range == (-3.0, 3.0)
    assert layout.yaxis.scaleanchor == "x"


def test_arrows_lead_from_their_starts_by_their_vectors() -> None:
    figure = plane.plane("", plane.LATENT, 3.0)
    starts, vectors = np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[1.0, 0.0], [0.0, -1.0]])
    plane.arrows(figure, starts, vectors, FOLLOWED, "drift")
    (trace,) = figure.data
    np.testing.assert_array_equal(trace.x, [0, 1, np.nan, 2, 2, np.nan])
    np.testing.assert_array_equal(trace.y, [1, 1, np.nan, 3, 2, np.nan])
    assert len(trace.marker.size) == 6
    assert trace.marker.angleref == "previous"


def test_several_paths_do_not_touch() -> None:
    figure = plane.plane("", plane.LATENT, 3.0)
    plane.path(figure, np.ones((3, 4, 2)), FOLLOWED, "chains")
    assert np.isnan(figure.data[0].x[4::5]).all()


def test_a_density_fades_to_nothing_and_a_sign_to_nothing_at_zero() -> None:
    figure = plane.plane("", plane.LATENT, 3.0)
    axis, values = np.linspace(-1, 1, 5), np.ones((5, 5))
    plane.shade(figure, axis, values, TILTED)
    plane.signed(figure, axis, values, 2.0)
    shade, signed = figure.data
    assert shade.colorscale[0][1].endswith(", 0)")
    assert signed.colorscale[1][1].endswith(", 0)")
    assert (signed.zmin, signed.zmax) == (-2, 2)
