"""Charts: arrays in, Plotly figures out; nothing here knows of Streamlit."""

from app.figures.chains import autocorrelations, energy_profile
from app.figures.latents import log_partition_curve, points, projection
from app.figures.style import FOLLOWED, GAUSSIAN, MEDIAN, POSTERIOR, TILTED

__all__ = [
    "FOLLOWED",
    "GAUSSIAN",
    "MEDIAN",
    "POSTERIOR",
    "TILTED",
    "autocorrelations",
    "energy_profile",
    "log_partition_curve",
    "points",
    "projection",
]
