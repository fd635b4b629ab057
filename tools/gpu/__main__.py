"""Run all phases on the GPU and write gpu.json: `make gpu`, or `python -m tools.gpu` without DVC and without network.

The exit code is 1 if a phase failed, and where there is no GPU that works. `--page` writes docs/gpu.md from gpu.json;
`--rehearse` runs the same on the CPU in tiny trainings, to see that every phase works.
"""

import sys

from tools.gpu.needs import missing_packages

if missing := missing_packages():
    where = "install them, or unpack their wheels in a folder that PYTHONPATH names"
    sys.exit(f"gpu: the stages need {', '.join(missing)}: {where}")

from tools.gpu.command import main

if __name__ == "__main__":
    main(__doc__ or "")
