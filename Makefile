# `make repro` sets up a virtual environment with the locked dependencies and runs the pipeline; `make test` runs the tests.
PYTHON ?= python3
BIN = .venv/bin
# DVC starts each stage as `python -m stages.<stage>`: that has to be the environment's python. Recipes name their programs
# by path all the same, because make 3.81 (macOS) starts simple commands by the PATH that it was itself started with.
export PATH := $(CURDIR)/$(BIN):$(PATH)

# The user's own settings of these programs do not reach what runs here; tools/install.py sees to pip's.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONSTARTUP PYTHONOPTIMIZE PYTHONINSPECT PYTHONUSERBASE PYTHONWARNINGS
unexport PYTHONPLATLIBDIR PYTHONEXECUTABLE PYTHONCASEOK PYTHONDEBUG PYTHONVERBOSE PYTHONBREAKPOINT PYTHONPROFILEIMPORTTIME
# Without it each of the many processes would compile all code again.
unexport PYTHONDONTWRITEBYTECODE
# Of the stage of some other pipeline that make was started by: to DVC it would be the project.
unexport DVC_ROOT DVC_STAGE
unexport BASH_ENV ENV PYTEST_ADDOPTS PYTEST_PLUGINS PYTEST_DISABLE_PLUGIN_AUTOLOAD MYPYPATH MYPY_CONFIG_FILE_DIR RUFF_CONFIG
unexport UV_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_CONSTRAINT UV_OVERRIDE UV_BUILD_CONSTRAINT UV_EXCLUDE UV_EXCLUDE_NEWER
unexport UV_RESOLUTION UV_PRERELEASE UV_FORK_STRATEGY UV_INDEX_STRATEGY UV_TORCH_BACKEND UV_NO_BINARY UV_ONLY_BINARY
unexport UV_NO_SOURCES UV_PYTHON UV_SYSTEM_PYTHON UV_CUSTOM_COMPILE_COMMAND

# DVC starts the stages with the shell that this names: the user's may be none that takes commands, as /usr/sbin/nologin.
export SHELL

# DVC asks for the user's name, which a container may not have.
ifeq ($(shell id -un >/dev/null 2>&1 && echo named),)
export LOGNAME := user$(shell id -u)
endif

# What the targets take stands on make's command line: an environment may have a SCRATCH or SEED of its own.
ARGUMENTS = BASE CAS ENTER FIRST FOLDER GENERATOR KILLS KIMG LARGE PACKAGES PROCESSES PROFILE RECIPE RECIPES REHEARSE REPEATS REV SAMPLES \
	SCRATCH SEED SEEDS SET SMALL SNAPSHOT_KIMG STAGES
$(foreach name,$(ARGUMENTS),$(if $(findstring environment,$(origin $(name))),$(eval $(name) :=)))

PYTEST = $(BIN)/python -m pytest
# In the order of tests/conftest.py, which begins with the longest files: otherwise one of them runs alone at the end.
PARALLEL = -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: repro try test test-fast test-all lint format deps lock verify torture spread seeds bench gpu record gans cost report export ci-gate ci-pipeline ci-summary wide

repro: .venv/locked
	@$(BIN)/python -m tools.repository
	$(BIN)/python -m dvc repro

# The tiny profile of docs/settings.md, as an experiment beside the workspace: three to four minutes.
try: .venv/locked
	$(BIN)/python -m tools.tiny

# Run everything again in a clean clone and compare every byte; REV: a commit, branch or experiment, else HEAD.
# PACKAGES=current: with the packages of this environment in place of those that the commit locks.
verify: .venv/locked
	$(BIN)/python -m tools.verify $(if $(PACKAGES),--packages $(PACKAGES)) $(REV)

# Kill the training KILLS times at random moments; every file must come out the same all the same. FIRST: to go on.
torture: .venv/locked
	$(BIN)/python -m tools.torture --kills $(or $(KILLS),100) --first $(or $(FIRST),0) --seed $(or $(SEED),1)

# Measure what verify judges metrics by where the environment is another one: SEEDS whole runs.
spread: .venv/locked
	$(BIN)/python -m tools.spread --seeds $(or $(SEEDS),5)

# Mean and confidence of every metric over SEEDS runs; SET="train_gan.loss=hinge": of that setting too, compared.
seeds: .venv/locked
	$(BIN)/python -m tools.seeds --seeds $(or $(SEEDS),5) $(SET)

# How fast training, samples, stages and metrics are, into docs/speed.md. REPEATS=1: a short one; LARGE=1: all sizes.
bench: .venv/locked
	$(BIN)/python -m tools.bench --repeats $(or $(REPEATS),5) $(if $(LARGE),--large)

# On a machine with a GPU: trainings to the same bytes, speed and quality, into gpu.json. REHEARSE=1: on the CPU, tiny.
gpu: .venv/locked
	$(BIN)/python -m tools.gpu $(if $(REHEARSE),--rehearse)

# Seconds of training to 5, 2 and 1.1 times the floor of track. RECIPE=recipes/<name>.txt, SEEDS=3, SNAPSHOT_KIMG=8,
# PROCESSES=1; ENTER="what changed" adds the medians to the records in docs/speed.md.
record: .venv/locked
	$(BIN)/python -m tools.record --seeds $(or $(SEEDS),1) $(if $(PROCESSES),--processes $(PROCESSES)) \
		$(if $(SNAPSHOT_KIMG),--snapshot-kimg $(SNAPSHOT_KIMG)) $(if $(ENTER),--enter "$(ENTER)") $(RECIPE)

# Train the default and every recipe, and write docs/gans.md: KIMG=128 where a recipe names none, SEEDS=3, CAS=1,
# RECIPES="wgan hinge". A series that was stopped goes on.
gans: .venv/locked
	$(BIN)/python -m tools.gans --kimg $(or $(KIMG),128) --seeds $(or $(SEEDS),1) $(if $(CAS),--cas) $(RECIPES)

# Time and memory of stages of a finished run; STAGES="evaluate track".
cost: .venv/locked
	$(BIN)/python -m tools.cost $(or $(STAGES),train_classifier train_gan evaluate baseline usefulness)

# Memory and speed of generate and evaluate by the number of samples. SAMPLES="100000 10000000"; SMALL=1: with small networks;
# SCRATCH=<folder> with room for all samples; ENTER=1: into docs/wide.md.
wide: .venv/locked
	$(BIN)/python -m tools.wide $(or $(SAMPLES),100000 2000000) $(if $(SMALL),--small) \
		$(if $(SCRATCH),--scratch "$(SCRATCH)") $(if $(ENTER),--enter)

# The run in data/ as one page, report.html, with its environment; REV: a commit, branch or experiment to compare with.
report: .venv/locked
	$(BIN)/python -m tools.report $(REV)

# The trained generator as a folder to share: ONNX, safetensors and a model card. GENERATOR=init/<name> or a file, FOLDER.
export: .venv/locked-dev
	$(BIN)/python -m tools.export $(if $(GENERATOR),--generator "$(GENERATOR)") $(if $(FOLDER),--folder "$(FOLDER)")

test: .venv/locked-dev lint
	$(PYTEST) $(PARALLEL) -m "not slow"

# Seconds: the tests of the rooms and of check, without whole stages; a test is skipped as soon as it starts a process.
test-fast: .venv/locked-dev
	$(PYTEST) $(PARALLEL) -q -m "not slow" --no-processes -r fE $(wildcard tests/*/) tests/test_check.py tests/test_lock.py

# With the slow tests. Without a Chromium, which tests the report's page, it fails; `make test` says NOT RUN.
test-all: .venv/locked-dev lint
	$(PYTEST) $(PARALLEL) --require-browser

lint: .venv/locked-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/actionlint -shellcheck= -pyflakes= .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.gitlab-ci .gitlab-ci.yml

format: .venv/locked-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# What jobs of continuous integration do. The lock belongs to the code and params, in a clone without results, too.
ci-gate: .venv/locked
	@$(BIN)/python -m tools.ci.gate

# Run the pipeline, then see that nothing is left to do. PROFILE=tiny, as `make try` has it, or full.
ci-pipeline: .venv/locked
	$(BIN)/python -m tools.ci.pipeline --profile $(or $(PROFILE),tiny)

# Params and metrics beside those of BASE, and of the run in data/, as Markdown.
ci-summary: .venv/locked
	@$(BIN)/python -m tools.ci.summary --base "$(or $(BASE),HEAD)"

# Write the code that each stage imports into dvc.yaml.
deps: .venv/locked
	$(BIN)/python -m tools.deps

# Resolved for Linux, macOS and Windows from one index, without the further indexes and wheel folders that your machine may name.
lock: .venv/locked-dev
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --extra dev --extra export --constraint requirements.txt --output-file requirements-dev.txt

COMPILE = $(BIN)/uv pip compile --no-config pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate

# PYTHON is a path, which may hold spaces, or a command with options, as `py -3.12`.
.venv/locked: requirements.txt
	if command -v "$(PYTHON)" >/dev/null; then "$(PYTHON)" -m tools.venv .venv; else $(PYTHON) -m tools.venv .venv; fi
	$(BIN)/python -m tools.install requirements.txt
	touch $@

# requirements-dev.txt holds all of requirements.txt and what only the tests and checks need.
.venv/locked-dev: requirements-dev.txt .venv/locked
	$(BIN)/python -m tools.install requirements-dev.txt
	touch $@
