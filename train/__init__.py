"""The training backend: data sets, Algorithm 1, run directories. `python -m train --help`."""
