"""A package, so that `tests` is found here first: torch-fidelity installs one of that name too."""
