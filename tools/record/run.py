"""One run of a record: train a setting with a seed in a throw-away folder, then measure its snapshots."""

import csv
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import remedy
from stages.common.params import read_params_file, validate_section
from stages.common.records import read_record
from stages.evaluation.curve import CurveDetails, CurveFloor
from stages.gan import devices
from stages.gan.launch import processes_to_start
from stages.train_gan import Params
from tools.clone import user_environment
from tools.dvc_lock import LOCK, has_other_bytes, read_filled_lock
from tools.record.clock import Times, train
from tools.record.curve import Curve, Point
from tools.record.recipe import apply_for_record

ROOT = Path(__file__).parents[2]
UPSTREAM = ("normalize", "train_classifier", "init")
"""What training and track read of a finished run."""
FILES = ("normalize/train.safetensors", "normalize/validation.safetensors", "train_classifier/classifier.safetensors")


def measure(root: Path, settings: list[str], requested: int | None = None) -> Curve:
    """The curve of a training with the params of the project at root and these settings.

    requested: number of processes, if not as many as the stage would start. Raises UserError for settings that are no
    record's, without the files of a finished run, and if a stage fails.
    """
    if missing := [root / "data" / name for name in FILES if not (root / "data" / name).is_file()]:
        raise UserError(f"{missing[0]} is missing; {remedy(missing[0])}")
    with tempfile.TemporaryDirectory(prefix="gan_record_", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        params = write_params(root, settings, folder / "params.yaml")
        choice = devices.choose(params.device)
        gpus = len(choice.numbers)
        processes = processes_to_start(requested, params.shards, choice.kind, gpus, params.total_kimg)
        for stage in UPSTREAM:
            (folder / "data").mkdir(exist_ok=True)
            (folder / "data" / stage).symlink_to((root / "data" / stage).resolve())
        environment = user_environment(folder) | {"PYTHONPATH": os.pathsep.join([str(root), str(ROOT)])}
        times = train(folder, environment | {"GAN_PROCESSES": str(processes)})
        if times.went_wrong:
            return Curve([], math.nan, times.end, processes)
        track = [sys.executable, "-m", "stages.track"]
        if subprocess.run(track, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
            raise UserError("track failed; see its message above")
        return read_curve(folder, params, times, processes)


def write_params(root: Path, settings: list[str], path: Path) -> Params:
    """Write the params of the project at root with these settings there. Returns train_gan's. Raises UserError."""
    path.write_bytes((root / "params.yaml").read_bytes())
    apply_for_record(settings, path)
    return validate_section(read_params_file(path), "train_gan", Params)


def device_of(root: Path, settings: list[str]) -> str:
    """The value of train_gan.device with these settings. Raises UserError for settings that are no record's."""
    with tempfile.TemporaryDirectory() as folder:
        return write_params(root, settings, Path(folder) / "params.yaml").device


def require_recorded_files(root: Path, is_record: bool) -> None:
    """Refuse for a record, or else report on stderr, digits or a classifier of another run than dvc.lock records."""
    outs = read_filled_lock(root).every_out()
    names = [f"data/{name}" for name in FILES]
    if not (other := [name for name in names if name not in outs or has_other_bytes(root / name, outs[name])]):
        return
    error = UserError(
        f"a record is measured on the files that {LOCK} records, found others in {', '.join(other)}; "
        "`dvc checkout` gets those back"
    )
    if is_record:
        raise error
    print(f"record: warning: {error}", file=sys.stderr, flush=True)


def read_curve(folder: Path, params: Params, times: Times, processes: int) -> Curve:
    """What track has written there, with the times of the training. Raises UserError if there is no floor."""
    details = read_record(folder / "data" / "track" / "details.json", CurveDetails)
    if not isinstance(details.floor, CurveFloor):
        raise UserError("track has no floor: too few validation images")
    with (folder / "data" / "track" / "track.csv").open(encoding="utf-8", newline="") as file:
        rows = [(float(row["kimg"]), float(row["fd_classifier"])) for row in csv.DictReader(file)]
    points = [Point(kimg, times.snapshots[params.steps_near(kimg)], distance) for kimg, distance in rows]
    return Curve(points, details.floor.fd_classifier, times.end, processes)
