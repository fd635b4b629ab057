"""Everything that has to be seen on a GPU, in one call: `make gpu`, or `python -m tools.gpu` without DVC."""
