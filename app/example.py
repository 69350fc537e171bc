"""The control for an example x: one of the data, a drawing, an upload, or a point of the plane."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from app import address, cache
from app.draw import draw
from app.models import ModelEntry
from app.sidebar import confine, plain
from app.studies import own_picture
from app.studies.examples import Example
from app.studies.own_picture import UnusablePicture
from train.data import to_model_range
from train.pictures import to_uint8

_OWN, _CANVAS = "example.own", "example.canvas"
_STYLE = """<style>
.st-key-input-x img { image-rendering: pixelated; width: min(100%, 260px) !important; }
</style>"""


def pick_example(entry: ModelEntry, shape: tuple[int, ...]) -> Example | None:
    """The example to explain; None if there is none yet."""
    if len(shape) == 1:
        return _choose_point(entry)
    left, right = st.columns([3, 2], gap="large")
    with left:
        source = st.segmented_control(
            "Example from",
            ["Data", "Drawing", "Upload"],
            default="Data",
            required=True,
            key="x_from",
            bind="query-params",
            help="The model's data set, a picture drawn here, or a picture file.",
        )
        choose = {"Drawing": _draw, "Upload": _upload}.get(source or "Data")
        example = _from_data(entry) if choose is None else _as_example(choose(shape))
    if example is not None:
        st.html(_STYLE)
        with right, st.container(key="input-x"):
            pixels = to_uint8(example.x)[0]
            size = f"{shape[1]} × {shape[2]} pixels"
            st.image(np.squeeze(pixels, -1) if shape[0] == 1 else pixels, f"Input x, {size}")
    return example


def pick_number(
    label: str,
    last: int,
    key: str,
    help_line: str,
    *,
    default: int = 0,
    disabled: bool = False,
) -> int:
    """A number from 0 to `last`, whatever the address or another model asks for.

    Args:
        label: of the control.
        last: the greatest there is.
        key: of the control, in the address.
        help_line: what it numbers.
        default: where it opens.
        disabled: whether it cannot be changed.
    """
    address.confine(key, last)
    confine(key, 0, last)
    chosen = st.number_input(
        label,
        min_value=0,
        max_value=last,
        value=min(default, last),
        key=key,
        bind="query-params",
        disabled=disabled,
        help=help_line,
    )
    return int(chosen)


def _from_data(entry: ModelEntry) -> Example:
    """One of the model's examples, by its number."""
    known = cache.examples(entry)
    number = pick_number(
        "Sample of the model" if known.data is None else "Test example",
        len(known.rows) - 1,
        "i",
        "Examples that the model was not trained on, by number.",
    )
    st.caption(plain(known.source))
    return known.example(number)


def _choose_point(entry: ModelEntry) -> Example:
    """A point of the data's plane, by number or by coordinates."""
    by_place = st.segmented_control(
        "Point from",
        ["Data", "Coordinates"],
        default="Data",
        required=True,
        key="point",
        bind="query-params",
        help="The model's data set, or anywhere in the plane.",
    )
    if by_place != "Coordinates":
        return _from_data(entry)
    place = [
        column.number_input(
            label, -10.0, 10.0, default, 0.1, key=key, bind="query-params", help="Of the point x."
        )
        for column, label, key, default in zip(
            st.columns(2), ("x₁", "x₂"), ("x1", "x2"), (0.5, 0.5), strict=True
        )
    ]
    return Example(torch.tensor([place], dtype=torch.float32), "place")


def _as_example(pixels: Tensor | None) -> Example | None:
    return None if pixels is None else Example(to_model_range(pixels[None]), "picture")


def _draw(shape: tuple[int, ...]) -> Tensor | None:
    """The picture on the canvas."""
    own = _own(shape)
    canvas = None if own is None else own_picture.to_canvas(own)
    draw(shape[1], shape[0], canvas, key=_CANVAS, on_picture=partial(_take_drawing, shape))
    if own is None or not own.any():
        st.info("Draw something: the chains start when you lift the pen.")
        return None
    _say_where_it_is_kept(own)
    return own


def _take_drawing(shape: tuple[int, ...]) -> None:
    pixels = own_picture.from_canvas(st.session_state[_CANVAS].picture, shape)
    if pixels is not None:
        _keep(pixels)


def _upload(shape: tuple[int, ...]) -> Tensor | None:
    """The uploaded picture, fitted; what was there before stays if it cannot be used."""
    file = st.file_uploader(
        "Picture",
        key="example.file",
        help="PNG, JPEG, WebP, BMP or GIF, up to 16 MB. It stays in this session.",
    )
    inverted = st.checkbox(
        "Swap light and dark",
        key="inv",
        bind="query-params",
        help="For a dark pen on white paper, when the model knows white on black.",
    )
    if file is not None:
        try:
            picture = own_picture.read(file.getvalue())
            _keep(own_picture.fit(picture, shape, inverted=inverted))
            w, h = picture.size
            st.caption(
                f"The model sees the centre square of your {w:,} × {h:,} picture, "
                f"{'in grey' if shape[0] == 1 else 'in colour'}."
            )
        except UnusablePicture as error:
            st.error(plain(str(error)))
    own = _own(shape)
    if own is None:
        st.info("Choose a picture: its centre square is fitted to the model.")
        return None
    _say_where_it_is_kept(own)
    return own


def _own(shape: tuple[int, ...]) -> Tensor | None:
    """The person's own picture, of this session or of the address, for this model."""
    kept = st.session_state.get(_OWN)
    if kept is None:
        kept = own_picture.from_address(st.query_params.get("x", ""))
    return None if kept is None else own_picture.refit(kept, shape)


def _keep(pixels: Tensor) -> None:
    """Keep the person's own picture, here and, if it is small, in the page's address."""
    st.session_state[_OWN] = pixels
    text = own_picture.to_address(pixels)
    if text is None:
        st.query_params.pop("x", None)
    else:
        st.query_params["x"] = text


def _say_where_it_is_kept(own: Tensor) -> None:
    if own_picture.to_address(own) is None:
        st.caption("This picture is too large for the page's address: a reload forgets it.")
