"""Clean clones of a committed state, in which DVC runs everything again and finds nothing to take over."""

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from configobj import ConfigObj  # type: ignore[import-untyped]

from stages.common.errors import UserError
from stages.common.params import read_params_file
from tools.process_group import output_of_dvc, run_in_group
from tools.repository import clone_repository, git, require_objects, throw_away_environment

EXPERIMENTS = "refs/exps"
"""Where DVC keeps experiments: refs/exps/<2 digits>/<38 digits of the commit it began from>/<name>."""
OF_PYTHON = ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONSTARTUP", "PYTHONOPTIMIZE", "PYTHONWARNINGS")
"""Variables of the user that change how Python runs."""
SHELL = {} if os.name == "nt" else {"SHELL": "/bin/sh"}
"""DVC starts stages with the user's shell, which may be none that takes commands, or follow settings of its own."""
NAMING_INIT = (("train_gan", "init_from"), ("generate", "generator"), ("inspect", "nets"))
"""Keys that may name a folder of data/init."""
REMOTE = "project"
"""The name that DVC knows the project's cache by, in a clone."""
NOT_RUN = (":!docs", ":!recipes")
"""For git: without the files that no stage reads."""


def find_commit(root: Path, revision: str) -> str:
    """The full hash of a commit, by whatever git understands, or by the name of a DVC experiment.

    Raises UserError if there is none, or more than one experiment of that name.
    """
    with contextlib.suppress(UserError):
        return git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
    listed = git(root, "for-each-ref", "--format=%(objectname) %(refname)", EXPERIMENTS).splitlines()
    found = {line.split()[0] for line in listed if line.endswith(f"/{revision}") and line.count("/") == 4}
    if len(found) > 1:
        raise UserError(
            f"{revision} names {len(found)} experiments: name one by its hash, {' or '.join(sorted(found))}"
        )
    if not found:
        raise UserError(f"{revision} is neither a commit nor an experiment; `dvc exp list --all` names the experiments")
    return found.pop()


def warn_if_not_committed(root: Path, commit: str) -> None:
    """Say that changes of the working tree are not in the clone, if that commit is checked out."""
    changed = git(root, "status", "--porcelain", "--untracked-files=all", "--", ".", *NOT_RUN)
    if changed and git(root, "rev-parse", "HEAD").strip() == commit:
        print("warning: some changes are not committed; what is committed is run", file=sys.stderr, flush=True)


@contextlib.contextmanager
def clean_clone(root: Path, commit: str) -> Iterator[Path]:
    """A clone of that commit without any cache, in a temporary folder that is deleted in the end.

    What no stage makes, such as nets that its training starts from, comes along: see bring_inputs.
    """
    require_objects(root, "--no-walk", commit)
    with tempfile.TemporaryDirectory(prefix="gan_clone_", ignore_cleanup_errors=True) as folder:
        clone = clone_repository(root, Path(folder) / "clone")
        # A clone leaves the experiments behind.
        git(Path(folder) / "clone", "fetch", "--quiet", "origin", f"+{EXPERIMENTS}/*:{EXPERIMENTS}/*", throw_away=True)
        git(Path(folder) / "clone", "checkout", "--quiet", "--detach", commit, throw_away=True)
        if not clone.is_dir():
            raise UserError(
                f"{commit[:7]} has no folder {clone.relative_to(Path(folder) / 'clone')}: the project was elsewhere"
            )
        bring_inputs(root, clone)
        yield clone


def bring_inputs(root: Path, clone: Path) -> None:
    """Get what no stage makes, nets and images, from the cache of the project at root.

    `dvc add` leaves only their hashes in Git, by which DVC verifies them. Raises UserError if they are neither in Git
    nor in that cache.
    """
    params = read_params_file(clone / "params.yaml")
    for folder in (*(f"init/{name}" for name in initial_names(params)), *image_folders(params)):
        _bring(root, clone, clone / "data" / folder)


def initial_names(params: dict[str, Any]) -> list[str]:
    """The folders of data/init that params name, each once; of a project with other keys those that it has."""
    values = [section.get(key) for name, key in NAMING_INIT if isinstance(section := params.get(name), dict)]
    return sorted({str(value).removeprefix("init/") for value in values if value not in (None, "train_gan")})


def image_folders(params: dict[str, Any]) -> list[str]:
    """The folder of the user's own images that params name, below data."""
    section = params.get("download")
    name = section.get("folder") if isinstance(section, dict) else None
    return [] if name is None else [f"images/{name}"]


def _bring(root: Path, clone: Path, folder: Path) -> None:
    """One folder of the clone."""
    shown = folder.relative_to(clone).as_posix()
    added = [path for path in (folder.with_name(f"{folder.name}.dvc"), *folder.glob("*.dvc")) if path.is_file()]
    if folder.is_dir() and not added:
        return
    targets = [path.relative_to(clone).as_posix() for path in added]
    if not targets:
        raise UserError(f"{shown} is not committed: `dvc add` it and commit {shown}.dvc")
    name_remote(clone, _cache(root))
    if run_dvc(clone, "pull", "--quiet", "--remote", REMOTE, *targets):
        raise UserError(
            f"the files of {shown} are not in this project's cache: `dvc fetch {' '.join(targets)}` gets them "
            f"from its remote; without one, put the files back and `dvc commit {' '.join(targets)}`"
        )


def name_remote(clone: Path, folder: str) -> None:
    """Write that folder into .dvc/config.local of the clone, as UTF-8: `dvc remote add` writes nothing but ASCII."""
    config = ConfigObj(str(clone / ".dvc" / "config.local"), encoding="utf-8")
    config[f'remote "{REMOTE}"'] = {"url": folder}
    config.write()


def _cache(root: Path) -> str:
    """The folder of the project's cache, which has the layout of a remote."""
    done = output_of_dvc(root, "cache", "dir")
    done.check_returncode()
    return done.stdout.strip()


def run_dvc(clone: Path, *arguments: str, python: Path = Path(sys.executable)) -> int:
    """Run a dvc command there with that interpreter, its output passed through. Returns the exit code."""
    return run_in_group([python, "-m", "dvc", *arguments], clone, _environment(clone, python))


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, so that what is temporary is deleted.

    Exits with 128 + the signal.
    """

    def interrupt(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # `timeout`, and shells whose terminal is closed, send one more
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, interrupt) for number in ending_signals()}
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ending_signals() -> list[int]:
    """SIGTERM, and SIGHUP of a closed terminal where there is one and it is not ignored, as nohup has it."""
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is None or signal.getsignal(hangup) == signal.SIG_IGN:
        return [signal.SIGTERM]
    return [signal.SIGTERM, hangup]


def _environment(clone: Path, python: Path) -> dict[str, str]:
    """Without the settings of this user and machine, and with sources of data that another folder finds too."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", *OF_PYTHON))}
    source = variables.get("GAN_DATA_SOURCE", "")
    if source and Path(source).is_dir():
        variables["GAN_DATA_SOURCE"] = str(Path(source).resolve())
    beside = Path(git(clone, "rev-parse", "--show-toplevel", throw_away=True).rstrip("\n")).parent
    own = {f"DVC_{name}_DIR": str(beside / name.lower()) for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")}
    path = f"{python.parent}{os.pathsep}{variables.get('PATH', '')}"
    return throw_away_environment(variables) | own | SHELL | {"DVC_NO_ANALYTICS": "1", "PATH": path}
