"""Charts: arrays in, Plotly figures out; nothing here knows of Streamlit."""

from app.figures.chains import autocorrelations, energy_profile
from app.figures.compare import overlaid_profiles
from app.figures.latents import log_partition_curve, points, projection
from app.figures.style import FOLLOWED, GAUSSIAN, MEDIAN, OTHER, POSTERIOR, TILTED

__all__ = [
    "FOLLOWED",
    "GAUSSIAN",
    "MEDIAN",
    "OTHER",
    "POSTERIOR",
    "TILTED",
    "autocorrelations",
    "energy_profile",
    "log_partition_curve",
    "overlaid_profiles",
    "points",
    "projection",
]
