"""The Streamlit explorer; its entry is `app/main.py`."""
