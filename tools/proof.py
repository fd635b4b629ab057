"""Records of runs, and what two of them prove: the same bytes, or a difference and its reason.

Pure functions of two records, one of the committed state and one of a new run of all its stages in a clean clone.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.common.errors import UserError
from stages.common.params import read_params_file
from tools.dvc_lock import LOCK, Lock, Out, has_other_bytes, read_filled_lock
from tools.tables import markdown

ENVIRONMENT = "data/train_gan/environment.json"
DETAILS = "data/evaluate/details.json"
GENERATOR = "data/train_gan/generator.safetensors"
DESCRIBED = "generator_sha256"
"""The entry of environment.json that describes the result, not the environment."""
FEATURES = "features"
"""The entry of the processor that lists its instructions."""
UNKNOWN = f"processor.{FEATURES}, which an earlier version did not record"


@dataclass(frozen=True)
class Record:
    """What a run left behind.

    outs: by path; inputs: hashes of code, params and files, by stage and name; environment: environment.json; metrics:
    the details of the evaluation; params: all of params.yaml; stale: outs in Git whose bytes dvc.lock does not record.
    """

    outs: dict[str, Out]
    inputs: dict[str, str]
    environment: dict[str, Any] | None
    metrics: dict[str, dict[str, Any]]
    params: dict[str, Any]
    stale: list[str]


@dataclass(frozen=True)
class Verdict:
    """Whether a run was reproduced, and the reason in one line."""

    passed: bool
    reason: str


def read_record(root: Path) -> Record:
    """The record of the run in a folder. Raises UserError if dvc.lock is missing or not valid."""
    lock = read_filled_lock(root)
    outs = lock.every_out()
    details = _read_json(root / DETAILS) or {}
    return Record(
        outs=outs,
        inputs=_inputs(lock, set(outs)),
        environment=_read_json(root / ENVIRONMENT),
        metrics=details.get("metrics", {}),
        params=read_params_file(root / "params.yaml"),
        stale=[path for path, out in outs.items() if has_other_bytes(root / path, out)],
    )


def different_outs(committed: Record, again: Record) -> list[str]:
    """The paths of all outs that differ, or that only one of the two has."""
    paths = {*committed.outs, *again.outs}
    return sorted(path for path in paths if committed.outs.get(path) != again.outs.get(path))


def outs_table(committed: Record, again: Record) -> str:
    """All outs of both runs: same or different, and their sizes."""
    different = different_outs(committed, again)
    both = committed.outs | again.outs
    rows = [
        [
            out.stage,
            path.removeprefix(f"data/{out.stage}/"),
            "different" if path in different else "same",
            *(f"{record.outs[path].size:,}" if path in record.outs else "-" for record in (committed, again)),
        ]
        for path, out in both.items()
    ]
    return markdown(["stage", "file", "bytes", "size committed", "size again"], rows)


def environment_fields(record: Record) -> dict[str, str]:
    """The environment in environment.json, nested entries by dotted names."""
    fields: dict[str, str] = {}

    def collect(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in sorted(value.items()):
                collect(f"{prefix}.{key}" if prefix else key, inner)
        else:
            fields[prefix] = "-" if value is None else str(value)

    collect("", {key: value for key, value in (record.environment or {}).items() if key != DESCRIBED})
    return fields


def is_processor_unknown(record: Record) -> bool:
    """Whether the record names the processor without its instructions, as those of earlier versions of the code do.

    Two guests of one processor may differ in these, so that it is not known whether such an environment is the same.
    """
    described = (record.environment or {}).get("processor")
    return isinstance(described, dict) and FEATURES not in described


def different_fields(committed: Record, again: Record) -> list[str]:
    """The names of the parts of the environment that differ."""
    before, after = environment_fields(committed), environment_fields(again)
    return [name for name in before | after if before.get(name, "-") != after.get(name, "-")]


def environments_table(committed: Record, again: Record) -> str:
    """Both environments side by side."""
    before, after = environment_fields(committed), environment_fields(again)
    different = different_fields(committed, again)
    rows = [
        [name, before.get(name, "-"), after.get(name, "-"), "different" if name in different else "same"]
        for name in before | after
    ]
    return markdown(["environment", "committed", "here", ""], rows)


def changed_inputs(committed: Record, again: Record) -> list[str]:
    """Code, params and files whose hashes in dvc.lock differ from those of the commit that holds it."""
    names = {*committed.inputs, *again.inputs}
    changed = {name for name in names if committed.inputs.get(name) != again.inputs.get(name)}
    return sorted({name.partition(":")[2] for name in changed})


def bytes_verdict(committed: Record, again: Record) -> Verdict | None:
    """The verdict if bytes and environments are enough for one; None if the metrics have to be judged."""
    if committed.stale:
        return Verdict(False, f"committed with other bytes than {LOCK} records: {', '.join(committed.stale)}")
    different, count = different_outs(committed, again), len(committed.outs)
    if not different:
        return _same_bytes(committed, again, count)
    if committed.environment is None or again.environment is None:
        return Verdict(False, f"other bytes, and without {ENVIRONMENT} nobody can tell why: commit it")
    if different_fields(committed, again) or is_processor_unknown(committed) or is_processor_unknown(again):
        return None
    reason = f"the same environment gave other bytes: {len(different)} of {count} outs differ"
    if changed := changed_inputs(committed, again):
        reason += f"; {LOCK} is of other inputs ({', '.join(changed)}): run `dvc repro` and commit what it writes"
    return Verdict(False, reason)


def _same_bytes(committed: Record, again: Record, count: int) -> Verdict:
    described = [(record.environment or {}).get(DESCRIBED) for record in (committed, again)]
    reproduced = f"all {count} outs have the bytes that {LOCK} records"
    if GENERATOR in committed.outs and described[0] != described[1]:
        # DVC's run cache restored the outs, but not this file, which it does not know.
        return Verdict(True, f"{reproduced}; {ENVIRONMENT} describes another generator, so what made them is not known")
    return Verdict(True, f"{reproduced}, {_where(committed, again)}")


def _where(committed: Record, again: Record) -> str:
    """In which environment the same bytes came out, seen from the committed one."""
    different = different_fields(committed, again)
    unknown = is_processor_unknown(committed) or is_processor_unknown(again)
    if unknown:
        different = [name for name in different if name != f"processor.{FEATURES}"]
    if different:
        return f"though the environment differs in {', '.join(different)}"
    return f"in the same environment as far as it is known (not {UNKNOWN})" if unknown else "in the same environment"


def _inputs(lock: Lock, outs: set[str]) -> dict[str, str]:
    """By stage and name: hashes of code and files, and params as JSON; without what the stages themselves wrote."""
    inputs: dict[str, str] = {}
    for stage in lock.stages:
        inputs |= {f"{stage}:{path}": md5 for path, md5 in lock.deps(stage).items() if path not in outs}
        for key, value in lock.params(stage).items():
            inputs[f"{stage}:params.yaml: {key}"] = json.dumps(value, default=str)
    return inputs


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f"{path.name} is not valid JSON ({error})") from None
