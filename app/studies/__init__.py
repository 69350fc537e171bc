"""What each page computes: settings in, arrays out; nothing here knows of Streamlit."""
