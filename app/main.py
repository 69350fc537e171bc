"""Entry of the explorer: `streamlit run app/main.py`."""

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this file's folder first on the path; the packages lie one above.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from app import pages  # noqa: E402

# Streamlit makes every change of the address an entry of the browser's history, so that Back
# would undo settings one by one. What it says of the next page it says before it turns to it: so
# changes wait a moment, and the entry of the page before stays what it was.
_BACK_LEADS_TO_THE_PAGE_BEFORE = """<script>
if (!window.lebmHistory) {
  const turn = history.pushState.bind(history);
  let change;
  window.lebmHistory = true;
  history.pushState = (state, title, url) => {
    clearTimeout(change);
    if (new URL(url, location).pathname !== location.pathname) turn(state, title, url);
    else change = setTimeout(() => history.replaceState(state, title, url), 100);
  };
}
</script>"""

st.set_page_config(page_title="Latent EBM explorer", page_icon="⛰️", layout="wide")
st.html("""<style>
.stMainBlockContainer { padding-top: 2.5rem; }
[data-testid="stTopNavLink"]:focus-visible { outline: 2px solid; }  /* Streamlit's is too faint */
</style>""")
st.html(_BACK_LEADS_TO_THE_PAGE_BEFORE, unsafe_allow_javascript=True)
shown = [pages.page(name) for name in pages.TITLES]
st.navigation([*shown, pages.first_by_name()], position="top").run()
