"""Git, for the tools: in the user's repository with the user's configuration, in throw-away clones with none.

`python -m tools.repository` says in one line what to do where DVC would find no repository.
"""

import os
import subprocess
import sys
from pathlib import Path

from stages.common.errors import UserError
from tools.failures import take_no_arguments
from tools.process_group import output_of_dvc

THROW_AWAY = Path(__file__).with_name("throw_away.gitconfig")
"""What git follows in a repository that a tool or a test makes, in place of the configuration of user and system."""
NO_REPOSITORY = "not a git repository"
"""What git says outside of one."""
OF_THE_LIBRARIES = {
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "core.autocrlf": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": ".git/hooks",
}
"""Said in the clone's own configuration as well, because the libraries that DVC uses read that of the user."""


def git(root: Path, *arguments: str, throw_away: bool = False) -> str:
    """What a git command prints there. Raises UserError with git's reason if it fails.

    throw_away: follow no user's configuration.
    """
    environment = throw_away_environment(os.environ) if throw_away else _own_environment()
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            env=environment | {"LC_ALL": "C"},  # the reason of a failure is looked for by its English beginning
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError:
        raise UserError("git is not installed") from None
    if done.returncode:
        raise UserError(f"git {arguments[0]}: {_reason(done.stderr) or f'exit code {done.returncode}'}")
    return done.stdout


def _reason(text: str) -> str:
    """The line of git's messages that says why it failed: advice and the names of refs follow it."""
    lines = [line for line in text.splitlines() if line.strip()]
    reasons = [line for line in lines if line.startswith(("fatal: ", "error: "))]
    return [*reasons, *reversed(lines), ""][0]


def _own_environment() -> dict[str, str]:
    """For the user's repository: their configuration, but not the repository that a hook or an alias may have named."""
    kept = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CEILING_DIRECTORIES")
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in kept}


def throw_away_environment(variables: "os._Environ[str] | dict[str, str]") -> dict[str, str]:
    """Those variables, with git following the configuration THROW_AWAY alone."""
    kept = {name: value for name, value in variables.items() if not name.startswith("GIT_")}
    return kept | {"GIT_CONFIG_GLOBAL": str(THROW_AWAY), "GIT_CONFIG_NOSYSTEM": "1"}


def find_project(start: Path) -> Path:
    """The folder with dvc.yaml that holds `start`: it may be a subfolder of a larger repository.

    Raises UserError if there is none, or if it is not in a Git repository.
    """
    try:
        git(start, "rev-parse", "--git-dir")
    except UserError as error:
        if NO_REPOSITORY in str(error):
            raise UserError(f"{error}; an unpacked archive is no repository: clone the project instead") from None
        raise
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file():
            return folder
    raise UserError(f"{start} is not in the project: no dvc.yaml here or above; change to the project's folder")


def clone_repository(project: Path, folder: Path) -> Path:
    """Clone the repository that holds the project, nothing checked out. Returns the path of the project in the clone.

    The clone follows no user's configuration, whoever runs git or a library in it.
    """
    top = Path(git(project, "rev-parse", "--show-toplevel").rstrip("\n"))
    within = git(project, "rev-parse", "--show-prefix").rstrip("\n")
    # The other end of a local clone follows only what its own command says.
    serve = "git -c safe.directory='*' upload-pack"
    options = ("--quiet", "--no-checkout", "--origin", "origin", "--template=", "--upload-pack", serve)
    git(project, "clone", *options, "--", str(top), str(folder), throw_away=True)
    for name, value in {**OF_THE_LIBRARIES, "remote.origin.uploadpack": serve}.items():
        git(folder, "config", name, value, throw_away=True)
    return folder / within


def require_objects(project: Path, *revisions: str) -> None:
    """Raise UserError if this is a partial clone that lacks files of these revisions, in the words of git rev-list.

    Git gets them from the remote when it needs them, but not for a clone of the clone, and DVC never does.
    """
    try:
        partial = git(project, "config", "--name-only", "--get-regexp", r"^remote\..*\.promisor$").splitlines()
    except UserError:  # there is none
        return
    found = git(project, "rev-list", "--objects", "--missing=print", *revisions).splitlines()
    if missing := sum(line.startswith("?") for line in found):
        remote = partial[0].removeprefix("remote.").removesuffix(".promisor")
        raise UserError(
            f"{project} is a partial clone, without {missing} of the files that are needed; "
            f"`git fetch --refetch --no-filter {remote}` gets them all"
        )


def main() -> None:
    """Exit with one line if DVC will find no repository."""
    take_no_arguments("tools.repository", __doc__)
    try:
        git(Path(), "rev-parse", "--git-dir")
    except UserError as error:
        if NO_REPOSITORY not in str(error):
            sys.exit(str(error))
        if "true" not in output_of_dvc(Path(), "config", "core.no_scm").stdout.lower():
            sys.exit(f"{error}; `dvc config core.no_scm true` lets DVC run without one; make verify needs one")


if __name__ == "__main__":
    main()
