"""The folder in which a run takes place: refused before anything runs if DVC would not keep the results."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from stages.common.temporary_copy import project_of


def workspace_problems(data: Path) -> Iterator[str]:
    """A line for each reason for which DVC would lose what the stages write into `data`."""
    yield from links_out(data)
    if (project := project_of(data.parent)) != data.parent:
        yield from shallow_history(project)
        yield from other_line_ends(data.parent)


def links_out(data: Path) -> Iterator[str]:
    """A line for the first folder that is a link to a place outside the project: DVC refuses outs there at the end."""
    root = data.parent.resolve()
    folders = sorted(path for path in data.iterdir() if path.name != "init") if data.is_dir() else []  # no outs there
    for path in (data, *folders):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            yield (
                f"{path} links to {path.resolve()}, where DVC keeps no outs: make it a folder, and move the cache: "
                "`dvc cache dir --local <folder>` and `dvc config --local cache.type symlink`"
            )
            return


def shallow_history(project: Path) -> Iterator[str]:
    """A line if the history of the project, of which this is DVC's temporary copy (--temp, --queue), is shallow."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "rev-parse", "--is-shallow-repository"]
    try:
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    except OSError:
        return
    if done.stdout.strip() == "true":
        yield (
            "this clone has a shallow history, into which DVC cannot bring back an experiment from its temporary copy: "
            "run `git fetch --unshallow` first, or `dvc exp run` without --temp and --queue"
        )


def other_line_ends(copy: Path) -> Iterator[str]:
    """A line if Git gave files of DVC's temporary copy the line ends of Windows, with which the experiment keeps them.

    Git then reads .gitattributes, which forbids it, after the files whose names come before.
    """
    attributes = copy / ".gitattributes"
    if attributes.is_file() and b"\r\n" in attributes.read_bytes():
        yield (
            "Git's core.autocrlf is true, which changes the line ends of files in an experiment: run "
            "`git config --global core.autocrlf input` first, or `dvc exp run` without --temp and --queue"
        )
