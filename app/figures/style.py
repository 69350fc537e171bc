"""What every chart shares: colours, and a title with both axes named."""

from __future__ import annotations

# Plotly asks pandas for its classes as soon as anybody has begun to import it: in another thread,
# such as a job's, it may be half there.
import pandas  # noqa: F401
import plotly.graph_objects as go

# Okabe and Ito's colours, safe for colour-blind eyes: the same thing has the same colour on
# every page.
MEDIAN = TILTED = "#0072B2"
FOLLOWED = "#D55E00"
GAUSSIAN = "#009E73"
POSTERIOR = "#E69F00"
OTHER = LEARNED = "#CC79A7"  # the second of two that are compared, such as a learned sampler
DATA = CHAINS = "#8A8F94"


def titled(figure: go.Figure, title: str, x: str, y: str) -> go.Figure:
    """The figure with its title, both axes named and the legend above it."""
    figure.update_layout(
        title=title,
        xaxis_title=x,
        yaxis_title=y,
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        legend={"orientation": "h", "y": 1.08, "x": 1, "xanchor": "right"},
        height=360,
    )
    return figure
