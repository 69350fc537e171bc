"""Entry of the explorer: `streamlit run app/main.py`."""

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this file's folder first on the path; the packages lie one above.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from app import cache  # noqa: E402
from app.views import chains, long_run, tilted_prior  # noqa: E402

st.set_page_config(page_title="Latent EBM explorer", page_icon="⛰️", layout="wide")
st.html("<style>.stMainBlockContainer { padding-top: 2.5rem; }</style>")
cache.boot()
st.navigation(
    [
        st.Page(chains.page, title="Chains", default=True),
        st.Page(tilted_prior.page, title="Tilted prior", url_path="tilted-prior"),
        st.Page(long_run.page, title="Long run", url_path="long-run"),
    ],
    position="top",
).run()
