"""Refuse a bad params.yaml before DVC deletes or runs anything else, and name the versions that decide bytes.

Every other stage depends on what this one writes. A changed parameter leaves that file as it was, so nothing
reruns for it; an upgrade of a library that decides bytes changes it, so that everything computed reruns.
"""

import re
from pathlib import Path

from stages import baseline, download, evaluate, generate, normalize, track, train_classifier, train_gan
from stages.common.errors import UserError
from stages.common.files import write_json
from stages.common.inception import load_inception
from stages.common.params import PARAMS_FILE, StageParams, read_params_file, validate_section
from stages.common.runtime import find_device, make_deterministic, report_errors

SCHEMAS: dict[str, type[StageParams]] = {
    "download": download.Params,
    "normalize": normalize.Params,
    "train_classifier": train_classifier.Params,
    "train_gan": train_gan.Params,
    "generate": generate.Params,
    "track": track.Params,
    "evaluate": evaluate.Params,
    "baseline": baseline.Params,
}
LOCK = Path("requirements.txt")
DECIDE_BYTES = ("numpy", "torch")


def run(params_file: Path, lock: Path, data: Path) -> None:
    """Check all of params.yaml, and that the device and the weights that it names are there; write data/check/ok.json.

    Raises UserError that lists every wrong key of every section.
    """
    content = read_params_file(params_file)
    problems = [
        f"{params_file}: {name}: unknown section; expected {', '.join(SCHEMAS)}" for name in content.keys() - SCHEMAS
    ]
    for stage, schema in SCHEMAS.items():
        try:
            section = validate_section(content, stage, schema, params_file)
            if isinstance(section, train_gan.Params):
                find_device(section.device)
            if isinstance(section, evaluate.Params) and section.protocol == "inception":
                load_inception()
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(sorted(problems)))
    write_json(data / "check" / "ok.json", {"schema": "ok", **locked_versions(lock)})


def locked_versions(lock: Path) -> dict[str, str]:
    """The locked version of each library in DECIDE_BYTES. Raises UserError if the lock pins one not exactly once."""
    versions = {}
    for name in DECIDE_BYTES:
        found = re.findall(rf"^{name}==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
        if len(found) != 1:
            raise UserError(f"{lock}: expected one line {name}==..., found {len(found)}; `make lock` writes the lock")
        versions[name] = found[0]
    return versions


if __name__ == "__main__":
    with report_errors("check"):
        make_deterministic()
        run(PARAMS_FILE, LOCK, Path("data"))
