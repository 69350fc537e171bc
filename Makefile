# make app     the explorer, on http://127.0.0.1:8501
# make test    the tests
#
# Either creates .venv and installs requirements.txt first, once. Variables:
#   PYTHON=python3.12    the Python to create .venv with (3.10 or newer)
#   VENV=path            use this virtual environment as it is, install nothing
#   TORCH_INDEX=url      where to take torch and torchvision from, such as PyTorch's CPU index
#   PORT=8502            where the explorer listens

PYTHON ?= python3
PORT ?= 8501
GIVEN := $(if $(filter command line,$(origin VENV)),$(VENV))
RUN := $(or $(GIVEN),.venv)/bin/python
# Each worker computes on one thread; a file stays with one, as its tests share what they load.
WORKERS := -n auto --maxprocesses 4 --dist loadfile
READY := $(if $(GIVEN),existing-environment,.venv/ready)

.PHONY: app test existing-environment

app: $(READY)
	@$(RUN) -m app --port $(PORT)

test: $(READY)
	@$(RUN) -m pytest $(WORKERS)

existing-environment:
	@test -x "$(RUN)" || { echo "VENV=$(VENV) is no virtual environment: $(RUN) does not exist"; exit 1; }
	@$(RUN) -c "import torchvision, lightning_fabric, sklearn, tyro, rich, streamlit, plotly, pandas, arviz_stats, scipy, torchmetrics, torch_fidelity, msgspec, safetensors, zuko, pytest, xdist, imageio_ffmpeg; from importlib.metadata import version; version('umap-learn')" \
		|| { echo "VENV=$(VENV) lacks something of requirements.txt: $(RUN) -m pip install -r requirements.txt"; exit 1; }

.venv/ready: requirements.txt
	@command -v "$(PYTHON)" >/dev/null || { echo "there is no $(PYTHON): install Python 3.10 or newer, or name yours with PYTHON=..."; exit 1; }
	@"$(PYTHON)" -c "import sys; sys.exit(sys.version_info < (3, 10))" \
		|| { echo "Python 3.10 or newer is needed and $(PYTHON) is older: name a newer one with PYTHON=python3.12"; exit 1; }
	@"$(PYTHON)" -c "import venv, ensurepip" 2>/dev/null \
		|| { echo "$(PYTHON) cannot create environments: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(if $(TORCH_INDEX),$(RUN) -m pip install --index-url "$(TORCH_INDEX)" --constraint requirements.txt torch torchvision)
	$(RUN) -m pip install --requirement requirements.txt
	@touch .venv/ready
