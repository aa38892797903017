# Needs Python 3.11 or later and make; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out
DEMO := $(OUT)/demo
NIH ?= data/nih
SECONDS ?= 600
KILLS ?= 200
UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-emit-index-url --no-emit-find-links --no-header

.PHONY: help setup demo test check fix docs bench fuzz chaos lock system clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.ready  ## create .venv with the locked, hashed requirements

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("wetread needs Python 3.11 or later, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup  ## phantom films -> train -> ROC curves -> screening, in minutes
	rm -rf $(DEMO) && mkdir -p $(DEMO)
	$(BIN)/wetread phantom $(DEMO)/films --patients 300 --size 256 --seed 1
	$(BIN)/wetread prepare $(DEMO)/films $(DEMO)/cache --size 128
	$(BIN)/wetread train recipes/demo.py --data $(DEMO)/cache --run $(DEMO)/run --weights starter
	$(BIN)/wetread evaluate $(DEMO)/run
	$(BIN)/wetread export $(DEMO)/run $(DEMO)/bundle
	$(BIN)/wetread phantom $(DEMO)/new --patients 12 --size 256 --seed 2
	$(BIN)/wetread screen $(DEMO)/new/images --model $(DEMO)/bundle --out $(DEMO)/screening.csv
	@echo
	@echo "Open these:"
	@echo "  $(DEMO)/run/report.html      how good the model is, with films and curves"
	@echo "  $(DEMO)/run/roc.png          15 ROC curves"
	@echo "  $(DEMO)/run/predictions.png  films with true and predicted labels"
	@echo "  $(DEMO)/screening.csv        scores and priority of new films"

test: setup  ## run the tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: setup  ## formatting, types, architecture, module length
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@awk 'FNR > 400 { print FILENAME ": more than 400 lines"; long = 1; nextfile } END { exit long }' \
		$$(find src tests recipes benchmarks -name '*.py')

fix: setup  ## format and repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup  ## build the documentation into site/
	$(BIN)/mkdocs build --strict

bench: setup  ## benchmarks on the films of NIH=data/nih (minutes; writes benchmarks/results)
	$(BIN)/python benchmarks/prepare.py $(NIH)
	$(BIN)/python benchmarks/frozen_stage.py
	$(BIN)/python benchmarks/loader.py
	$(BIN)/python benchmarks/statistics_speed.py
	$(BIN)/python benchmarks/small_samples.py
	$(BIN)/python benchmarks/dicom_decode.py
	$(BIN)/python benchmarks/screen.py $(NIH)/images_1024
	$(BIN)/python benchmarks/node.py

fuzz: setup  ## feed the decoders damaged films for SECONDS=600; what does harm is kept in out/fuzz
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/fuzz.txt
	mkdir -p $(OUT)/fuzz
	$(BIN)/python -m tests.fuzz.endless $(OUT)/fuzz/corpus -artifact_prefix=$(OUT)/fuzz/ \
		-max_total_time=$(SECONDS)

chaos: setup  ## break a hospital for longer than the tests do: KILLS=200
	WETREAD_CHAOS_KILLS=$(KILLS) $(BIN)/python -m pytest --no-cov tests/integration/test_faults.py

lock:  ## resolve the requirements again (needs uv)
	$(UV_COMPILE) pyproject.toml --output-file requirements/core.txt
	$(UV_COMPILE) --extra train pyproject.toml --output-file requirements/train.txt
	$(UV_COMPILE) --extra serve pyproject.toml --output-file requirements/serve.txt
	$(UV_COMPILE) --extra dev pyproject.toml --output-file requirements/dev.txt
	echo 'atheris>=3.0,<3.1' | $(UV_COMPILE) - --output-file requirements/fuzz.txt

system:  ## Debian packages that some tests need: a browser, DICOM tools, an archive, a database
	apt-get update --quiet --quiet
	DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends \
		-o DPkg::Lock::Timeout=300 \
		chromium dcmtk dicom3tools fonts-dejavu-core orthanc orthanc-dicomweb postgresql

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(OUT) site .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
