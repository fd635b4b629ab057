# `make repro` sets up a virtual environment with the locked dependencies and runs the pipeline; `make test` runs the tests.
PYTHON ?= python3
# Stages are run as `python -m stages.<stage>`: the environment's python must come first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: repro test test-all lint lock verify torture spread seeds bench cost

repro: .venv/locked
	dvc repro

# Run everything again in a clean clone and compare every byte; REV: a commit, branch or experiment, else HEAD.
verify: .venv/locked
	python -m tools.verify $(REV)

# Kill the training KILLS times at random moments; every file must come out the same all the same. FIRST: to go on.
torture: .venv/locked
	python -m tools.torture --kills $(or $(KILLS),100) --first $(or $(FIRST),0) --seed $(or $(SEED),1)

# Measure what verify judges metrics by where the environment is another one: SEEDS whole runs.
spread: .venv/locked
	python -m tools.spread --seeds $(or $(SEEDS),5)

# Mean and confidence of every metric over SEEDS runs; SET="train_gan.loss=hinge": of that setting too, compared.
seeds: .venv/locked
	python -m tools.seeds --seeds $(or $(SEEDS),5) $(SET)

# Speed of training by number of processes, beside one process with as many threads as cores.
bench: .venv/locked
	python -m tools.bench --repeats $(or $(REPEATS),5)

# Time and memory of stages of a finished run; STAGES="evaluate track".
cost: .venv/locked
	python -m tools.cost $(or $(STAGES),train_classifier train_gan evaluate baseline usefulness)

test: .venv/locked-dev lint
	python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not slow"

test-all: .venv/locked-dev lint
	python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: .venv/locked-dev
	ruff check
	ruff format --check
	mypy

# Resolved for Linux, macOS and Windows from one index, without the further indexes and wheel folders that this machine may name.
lock: .venv/locked-dev
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --extra dev --constraint requirements.txt --output-file requirements-dev.txt

COMPILE = env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL -u UV_FIND_LINKS -u UV_EXTRA_INDEX_URL -u UV_INDEX \
	uv pip compile --no-config pyproject.toml --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate

.venv/locked: requirements.txt
	$(PYTHON) -m venv .venv
	python -m pip install --quiet --require-hashes --requirement requirements.txt
	touch $@

# requirements-dev.txt holds all of requirements.txt and what only the tests and checks need.
.venv/locked-dev: requirements-dev.txt .venv/locked
	python -m pip install --quiet --require-hashes --requirement requirements-dev.txt
	touch $@
