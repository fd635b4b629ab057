"""`make report`: the page with environment and commit, beside another revision, from Git and DVC's cache."""

import base64
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from stages.common.errors import UserError
from stages.common.grids import grid_png
from stages.common.images import load_image_set
from tests.reporting.finished import ROOT
from tools.report import OUT, report
from tools.repository import git

PICTURE = Path("data/generate/samples.png")


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A repository with a finished run, committed, and another one in the working tree: other loss and samples."""
    root = tmp_path / "project"
    shutil.copytree(finished, root / "data")
    shutil.copy(ROOT / "params.yaml", root)
    write_lock(root)
    git(root, "init", "--quiet", throw_away=True)
    git(root, "config", "user.name", "Test")
    git(root, "config", "user.email", "test@example.org")
    with Repo.init(str(root)) as repo:
        for ignored in root.rglob(".gitignore"):
            if ignored.parts[-3:-1] == ("data", "generate"):
                ignored.unlink()
        repo.add(str(root / PICTURE))
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A run")
    git(root, "branch", "--move", "--force", "main")
    yaml, path = YAML(), root / "params.yaml"
    params = yaml.load(path.read_text(encoding="utf-8"))
    params["train_gan"]["loss"] = "hinge"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    digits = load_image_set(root / "data/normalize/test.safetensors")
    (root / PICTURE).unlink()  # it may be a link into the cache
    (root / PICTURE).write_bytes(grid_png(digits.images[50:60], 5))
    return root


def write_lock(root: Path) -> None:
    """A dvc.lock that records every file of data/ as it is."""
    files = [path for path in sorted((root / "data").rglob("*.*")) if path.is_file() and path.name != ".gitignore"]
    outs = [
        {
            "path": path.relative_to(root).as_posix(),
            "md5": hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(),
            "size": path.stat().st_size,
        }
        for path in files
    ]
    with (root / "dvc.lock").open("w", encoding="utf-8") as file:
        YAML().dump({"schema": "2.0", "stages": {"all": {"cmd": "make it", "outs": outs}}}, file)


def uri(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_another_revision_stands_beside_the_run(project: Path, finished: Path) -> None:
    page = report(project, "HEAD").read_text(encoding="utf-8")
    assert (project / OUT).exists()
    assert "Beside HEAD" in page
    row = r"<code>train_gan.loss</code></th><td>hinge</td><td>non_saturating</td>"
    assert len(re.findall(row, page)) == 1
    assert re.search(r"(\d+) of \1 outs have the same bytes", page)
    comparison = page.partition('id="comparison"')[2].partition("</section>")[0]
    assert uri((project / PICTURE).read_bytes()) in comparison
    assert uri((finished / "generate/samples.png").read_bytes()) in comparison
    assert comparison.count("no clear difference") >= 8


def test_pictures_that_are_in_no_cache_are_left_out_and_said_to_be(project: Path, finished: Path) -> None:
    shutil.rmtree(project / ".dvc" / "cache")
    page = report(project, "HEAD").read_text(encoding="utf-8")
    assert "Its pictures are not in DVC’s cache here" in page  # noqa: RUF001
    assert uri((finished / "generate/samples.png").read_bytes()) not in page


def test_without_a_revision_the_page_has_environment_and_commit(project: Path) -> None:
    git(project, "checkout", "--quiet", "params.yaml")
    (project / ".gitignore").write_text(f"/{OUT}\n", encoding="utf-8")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Git is clean, and a file of DVC is not that of dvc.lock")
    assert "another generator" in report(project, None).read_text(encoding="utf-8")
    assert "git checkout" not in (project / OUT).read_text(encoding="utf-8")

    path = project / "data/train_gan/environment.json"
    environment = json.loads(path.read_text(encoding="utf-8"))
    page = (project / OUT).read_text(encoding="utf-8")
    environment["generator_sha256"] = re.findall(r"train_gan/generator.safetensors</code></th><td><code>(\w+)", page)[0]
    path.write_text(json.dumps(environment), encoding="utf-8")
    write_lock(project)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Another run")
    page = report(project, None).read_text(encoding="utf-8")
    assert environment["processor"]["model_name"] in page
    assert f"git checkout {git(project, 'rev-parse', '--short', 'HEAD').strip()}" in page
    assert 'id="comparison"' not in page


@pytest.mark.parametrize(
    ("revision", "message"),
    [("nothing", "nothing is neither a commit nor an experiment"), ("empty", "holds no data/evaluate/details.json")],
)
def test_a_revision_without_a_run_is_refused_in_one_line(revision: str, message: str, project: Path) -> None:
    git(project, "stash", "--quiet")
    git(project, "checkout", "--quiet", "--orphan", "empty")
    git(project, "rm", "-r", "--quiet", "--cached", ".")
    git(project, "commit", "--quiet", "--allow-empty", "--message", "Nothing")
    git(project, "checkout", "--quiet", "--force", "main")
    with pytest.raises(UserError, match=message) as refused:
        report(project, revision)
    assert "\n" not in str(refused.value)
