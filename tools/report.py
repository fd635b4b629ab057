"""The report of the run in data/, with its environment and commit, beside another run: `make report REV=<revision>`.

Writes report.html, which Git ignores. The page of stage report, data/report/index.html, is an out, and therefore knows
neither the commit that will hold it nor the processor; this one is for those who look at a run. REV: a commit, branch
or experiment whose figures are in Git; its pictures come from DVC's cache, where they are.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from dvc.api import DVCFileSystem

from stages.common.errors import UserError
from stages.common.files import read_json, write_text
from stages.common.params import load_params, read_params_file
from stages.common.runtime import report_errors
from stages.common.shown import listed
from stages.report import Params
from stages.reporting.charts import Series
from stages.reporting.comparison import Comparison, differences, pairs
from stages.reporting.content import digest_of
from stages.reporting.figures import Measured
from stages.reporting.measured import read_measured
from stages.reporting.page import render
from stages.reporting.pictures import Picture, data_uri, pictures
from stages.reporting.run import NUMBERS, TRACK, Run, params_of_the_run, read_run
from stages.reporting.tables import read_numbers
from stages.reporting.training import distance_chart
from tools.dvc_lock import LOCK, Lock, lock_content, read_filled_lock
from tools.fresh import find_commit, interruptible
from tools.in_step import commit_in_step, other_params
from tools.proof import DESCRIBED, ENVIRONMENT
from tools.repository import find_project, git

OUT = "report.html"
MEASURED = ("evaluate/details.json", "usefulness/details.json", "two_sample/details.json")
REFERENCE = "data/normalize/test.safetensors"


@dataclass(frozen=True)
class Other:
    """What Git holds of another run: its figures, the course of its training, its params and its lock."""

    measured: Measured
    track: pd.DataFrame
    params: dict[str, Any]
    lock: Lock


def report(root: Path, revision: str | None) -> Path:
    """Write the page of the run in root/data. Returns its path.

    Raises UserError if something is missing, such as dvc.lock, or if params.yaml was edited after the run.
    """
    params = read_params_file(root / "params.yaml")
    if changed := other_params(params, read_filled_lock(root)):
        raise UserError(
            f"params.yaml: {listed(changed)}: expected what dvc.lock records of the run in data/, found other values; "
            "`dvc repro` runs it again with these, or put them back"
        )
    run = read_run(root / "data", params)
    more: dict[str, Any] = {"environment": environment(root, run), "commit": commit_of_the_run(root, run)}
    if revision:
        more["comparison"] = compare(root, run, revision)
    seed = load_params("report", Params, root / "params.yaml").seed
    write_text(root / OUT, render(run, seed, more))
    return root / OUT


def environment(root: Path, run: Run) -> dict[str, str]:
    """What environment.json says, if it describes the generator of this page."""
    path = root / ENVIRONMENT
    if not path.exists():
        return {"environment": "unknown: there is no environment.json"}
    content, own = read_json(path), run.sha256.get("train_gan/generator.safetensors")
    if own is None or not isinstance(content, dict) or content.get(DESCRIBED) != own:
        return {"environment": "unknown: environment.json describes another generator"}
    shown = {key: value for key, value in content.items() if key not in (DESCRIBED, "limits")}
    described = (shown.pop("processor", None), content.get("versions"))
    processor, versions = (value if isinstance(value, dict) else {} for value in described)
    texts = {key: value for key, value in shown.items() if isinstance(value, str)}
    installed = {f"{name} (installed)": value for name, value in versions.items()}
    return {**texts, "processor": str(processor.get("model_name", "")), **installed}


def commit_of_the_run(root: Path, run: Run) -> str | None:
    """The commit that holds the run; None if it is not committed, or if code or files are not those of dvc.lock."""
    recorded = Lock(lock_content(root)).every_out()
    paths = [f"data/{name}" for name in run.sha256 if f"data/{name}" in recorded]
    found = {path: digest_of(root / path, "md5") for path in paths}
    if any(found[path] != recorded[path].md5 for path in paths) or not commit_in_step(root):
        return None
    return git(root, "rev-parse", "--short", "HEAD").strip()


def compare(root: Path, run: Run, revision: str) -> Comparison:
    """The run beside that revision. Raises UserError if the revision has no figures that this code can read."""
    commit = find_commit(root, revision)
    other = read_other(root, commit)
    outs, other_outs = outs_of(Lock(lock_content(root))), outs_of(other.lock)
    changed = differences(outs, other_outs)
    own = pictures(run)["samples"]
    series = Series(revision, "other", other.track["fd_classifier"].tolist(), other.track["kimg"].tolist())
    return Comparison(
        name=revision,
        words=(run.measured.evaluation.in_plain_words, other.measured.evaluation.in_plain_words),
        pairs=pairs(run.measured, other.measured, outs.get(REFERENCE) == other_outs.get(REFERENCE)),
        params=differences(run.params, params_of_the_run(other.params)),
        outs=changed,
        same_outs=len({*outs, *other_outs}) - len(changed),
        samples=(own, other_samples(root, commit, own)),
        curves=distance_chart(run, (series,)),
    )


def at(root: Path, commit: str, name: str) -> str:
    """The text of a file of that commit. Raises UserError if Git does not hold it."""
    try:
        return git(root, "show", f"{commit}:./{name}")
    except UserError as error:
        raise UserError(f"{commit[:7]} holds no {name} ({error}); REV needs a commit with a finished run") from None


def read_other(root: Path, commit: str) -> Other:
    """The run at that commit. Raises UserError if it is missing, of another version of the code, or of other params."""
    with tempfile.TemporaryDirectory(prefix="gan_report_") as folder:
        for name in (*(f"data/{name}" for name in (*MEASURED, TRACK)), "params.yaml"):
            write_text(Path(folder) / name, at(root, commit, name))
        data, lock = Path(folder) / "data", Lock(at(root, commit, LOCK))
        try:
            measured, track = read_measured(lambda name: data / name), read_numbers(data / TRACK, NUMBERS[TRACK])
            other = Other(measured, track, read_params_file(Path(folder) / "params.yaml"), lock)
        except UserError as error:
            reason = str(error).removeprefix(f"{folder}/").split("; ")[0]
            raise UserError(f"{commit[:7]} was measured by another version of the code: {reason}") from None
    if changed := other_params(other.params, lock):
        raise UserError(
            f"{commit[:7]} holds a run of other params than its own ({listed(changed)}); choose another REV"
        )
    return other


def outs_of(lock: Lock) -> dict[str, str]:
    """The MD5 of every out that a dvc.lock records, without the report itself."""
    return {path: out.md5 for path, out in lock.every_out().items() if not path.startswith("data/report/")}


def other_samples(root: Path, commit: str, own: Picture) -> Picture | None:
    """The picture of the samples at that commit, from DVC's cache or remote; None if it is in neither."""
    try:
        with DVCFileSystem(str(root), rev=commit).open("data/generate/samples.png", "rb") as file:
            return Picture(data_uri(file.read()), own.alt, own.caption)
    except Exception:  # DVC passes on the errors of each kind of remote's client; only a picture is lost
        return None


def main() -> None:
    """Write the page that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tools.report", description=__doc__)
    parser.add_argument("revision", nargs="?", help="a commit, branch or experiment to compare with")
    options = parser.parse_args()
    with interruptible(), report_errors("report"):
        path = report(find_project(Path()), options.revision)
        print(f"report: open {path.name} in a browser")


if __name__ == "__main__":
    main()
