"""How good the samples of a training on the GPU are, judged as `make verify` judges another environment."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tools.gpu.project import ROOT, PhaseError, Project
from tools.judge import is_of_other_params, judge, read_spread
from tools.proof import Record


def judged(
    project: Project, content: dict[str, Any], classifier: "subprocess.Popen[bytes] | None", learned: Path
) -> dict[str, Any]:
    """Run generate and evaluate in a project that is trained; give metrics, verdict and table.

    classifier: the process that trains it in the folder `learned`, or None if the project has one. Raises PhaseError.
    """
    if classifier:
        if code := project.wait(classifier):
            raise PhaseError(f"train_classifier ended with {code}")
        link = project.root / "data" / "train_classifier"
        if not link.is_symlink():
            link.symlink_to(learned / "data" / "train_classifier")
    for stage in ("generate", "evaluate"):
        project.run(stage)
    details = json.loads((project.root / "data" / "evaluate" / "details.json").read_text(encoding="utf-8"))
    record = Record(outs={}, inputs={}, environment=None, metrics=details["metrics"], params=content, stale=[])
    spread = read_spread(ROOT)
    verdict, table = judge(record, spread)
    entries = details["metrics"].items()
    metrics = {name: {key: entry.get(key) for key in ("value", "floor", "ratio")} for name, entry in entries}
    said = {"verdict": verdict.reason, "table": table, "words": details["in_plain_words"]}
    # A spread of other params judges nothing; one of these that the metrics lie outside of is a failure.
    failed = {} if verdict.passed or is_of_other_params(spread, content) else {"ok": False, "error": verdict.reason}
    return {"metrics": metrics, "within_spread": verdict.passed} | said | failed
