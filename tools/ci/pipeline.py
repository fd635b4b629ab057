"""Run the pipeline as a job does, and hold it to what DVC promises: `make ci-pipeline`.

After the run `dvc status --json` is {}, and a second `dvc repro` runs nothing. Profiles: `tiny` is that of
docs/settings.md, as an experiment in the workspace; `full` is what params.yaml says.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from stages.common.errors import UserError
from stages.common.runtime import report_errors
from tools.ci.gate import refuse_changes
from tools.fresh import interruptible
from tools.process_group import output_of_dvc, run_in_group
from tools.tiny import PAGE, tiny_command

PROFILES = ("tiny", "full")


def command(profile: str, page: str) -> list[str]:
    """The arguments of dvc. tiny: those of its page, but in the workspace, where what it gives can be collected."""
    if profile == "full":
        return ["repro"]
    return [word for word in tiny_command(page)[1:] if word != "--temp"]


def stages_run(printed: str) -> list[str]:
    """The stages that `dvc repro` says that it runs."""
    return re.findall(r"^Running stage '([^']+)'", printed, re.MULTILINE)


def run(root: Path, profile: str) -> None:
    """Run the pipeline. Raises UserError if it fails, or leaves something to do."""
    arguments = command(profile, (root / PAGE).read_text(encoding="utf-8"))
    if code := run_in_group([sys.executable, "-m", "dvc", *arguments], root, stdin=subprocess.DEVNULL):
        raise UserError(f"dvc {arguments[0]} ended with {code}: its own message is above")
    refuse_changes(root, strict=True)
    second = output_of_dvc(root, "repro", stdin=subprocess.DEVNULL)
    if second.returncode:
        raise UserError(f"a second dvc repro ended with {second.returncode}: {second.stderr.strip()}")
    if repeated := stages_run(second.stdout):
        raise UserError(f"a second dvc repro ran {', '.join(repeated)}: it should have found nothing to do")


def main() -> None:
    """Run the profile; exit with one line if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.ci.pipeline", description=__doc__)
    parser.add_argument("--profile", choices=PROFILES, default="tiny", help="default: tiny")
    arguments = parser.parse_args()
    with interruptible(), report_errors("ci-pipeline"):
        run(Path(), arguments.profile)
        print("the pipeline ran, dvc status is {}, and a second dvc repro ran nothing")


if __name__ == "__main__":
    main()
