"""Charts: arrays in, Plotly figures out; nothing here knows of Streamlit."""

from app.figures.chains import autocorrelations, energy_profile
from app.figures.compare import overlaid_profiles
from app.figures.curves import energy_curve, kl_curve, log_prob_curve
from app.figures.latents import Cloud, log_partition_curve, points, projection
from app.figures.style import FOLLOWED, GAUSSIAN, LEARNED, MEDIAN, OTHER, POSTERIOR, TILTED
from app.figures.training import CHARTS, energies_by_iteration, training_curves

__all__ = [
    "CHARTS",
    "FOLLOWED",
    "GAUSSIAN",
    "LEARNED",
    "MEDIAN",
    "OTHER",
    "POSTERIOR",
    "TILTED",
    "Cloud",
    "autocorrelations",
    "energies_by_iteration",
    "energy_curve",
    "energy_profile",
    "kl_curve",
    "log_partition_curve",
    "log_prob_curve",
    "overlaid_profiles",
    "points",
    "projection",
    "training_curves",
]
