"""`make report`: the page with environment and commit, beside another revision, from Git and DVC's cache."""

import base64
import contextlib
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
from tools.report import OUT, REFERENCE, report
from tools.repository import git

PICTURE = Path("data/generate/samples.png")


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A repository with a finished run, committed, and another one in the working tree: other loss and samples."""
    root = tmp_path / "project"
    shutil.copytree(finished, root / "data")
    shutil.copy(ROOT / "params.yaml", root)
    git(root, "init", "--quiet", throw_away=True)
    git(root, "config", "user.name", "Test")
    git(root, "config", "user.email", "test@example.org")
    Repo.init(str(root)).close()
    write_stages(root)
    write_lock(root)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A run")
    git(root, "branch", "--move", "--force", "main")
    set_loss(root, "hinge")
    write_lock(root)
    digits = load_image_set(root / "data/normalize/test.safetensors")
    (root / PICTURE).unlink()  # it may be a link into the cache
    (root / PICTURE).write_bytes(grid_png(digits.images[50:60], 5))
    return root


def write_stages(root: Path) -> None:
    """One stage, which reads a file of code and writes every file of data/; DVC's cache has the samples alone."""
    files = [path for path in sorted((root / "data").rglob("*.*")) if path.is_file() and path.name != ".gitignore"]
    names = [path.relative_to(root).as_posix() for path in files]
    outs = [name if name == PICTURE.as_posix() else {name: {"cache": False}} for name in names]
    stage = {"cmd": "make it", "params": ["train_gan"], "deps": ["code.py"], "outs": outs}
    (root / "code.py").write_text("", encoding="utf-8")
    with (root / "dvc.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({"stages": {"train_gan": stage}}, file)


def write_lock(root: Path) -> None:
    """A dvc.lock that records every file of data/ as it is, and the params."""
    with contextlib.chdir(root), Repo(str(root)) as repo:  # DVC keeps runs by their paths seen from here
        repo.commit(force=True)


def set_loss(root: Path, loss: str) -> None:
    yaml, path = YAML(), root / "params.yaml"
    params = yaml.load(path.read_text(encoding="utf-8"))
    params["train_gan"]["loss"] = loss
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


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
    git(project, "checkout", "--quiet", "params.yaml", "dvc.lock")
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

    (project / "code.py").write_text("# of a later version", encoding="utf-8")
    git(project, "commit", "--quiet", "--all", "--message", "Other code, which was not run")
    page = report(project, None).read_text(encoding="utf-8")
    assert "git checkout" not in page
    assert "No commit is named" in page
    assert "then has this SHA-256" not in page


def test_params_that_were_edited_after_the_run_are_refused_in_one_line(project: Path) -> None:
    set_loss(project, "minimax")
    message = (
        r"^params\.yaml: train_gan\.loss: expected what dvc\.lock records of the run in data/, found other values; "
    )
    with pytest.raises(UserError, match=message) as refused:
        report(project, None)
    assert "\n" not in str(refused.value)
    assert not (project / OUT).exists()


def test_without_a_lock_nobody_knows_whether_the_params_were_run(project: Path) -> None:
    lock = project / "dvc.lock"
    lock.unlink()
    with pytest.raises(UserError, match=r"^dvc\.lock is not committed; run `dvc repro`"):
        report(project, None)
    lock.touch()
    with pytest.raises(UserError, match=r"^dvc\.lock cannot be read \(it is empty\)"):
        report(project, None)
    lock.write_text("schema: '2.0'\nstages: {}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"^dvc\.lock records no outs"):
        report(project, None)
    assert not (project / OUT).exists()


def test_a_revision_with_params_that_were_not_run_is_refused(project: Path) -> None:
    set_loss(project, "minimax")
    git(project, "stash", "push", "--quiet", "dvc.lock")
    git(project, "commit", "--quiet", "--message", "Not run", "params.yaml")
    git(project, "stash", "pop", "--quiet")
    set_loss(project, "hinge")
    with pytest.raises(UserError, match=r"holds a run of other params than its own \(train_gan\.loss\)"):
        report(project, "HEAD")


def test_a_remote_whose_client_fails_costs_only_the_pictures(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients have exceptions of their own, as botocore's EndpointConnectionError."""

    class ClientError(Exception):
        pass

    def fail(*_arguments: object, **_options: object) -> None:
        raise ClientError("Could not connect to the endpoint")

    monkeypatch.setattr("tools.report.DVCFileSystem", fail)
    assert "Its pictures are not in DVC’s cache here" in report(project, "HEAD").read_text(encoding="utf-8")  # noqa: RUF001


def test_a_table_of_the_revision_that_was_edited_is_refused_in_one_line(project: Path) -> None:
    path = project / "data/track/track.csv"
    content = path.read_text(encoding="utf-8")
    path.write_text(content.replace(",", ";"), encoding="utf-8")
    git(project, "commit", "--quiet", "--message", "Edited by another program", "data/track/track.csv")
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"another version of the code: data/track/track\.csv is no table") as refused:
        report(project, "HEAD")
    assert "\n" not in str(refused.value)


def test_other_test_images_are_not_compared(project: Path) -> None:
    lock = project / "dvc.lock"
    content = YAML(typ="safe").load(lock.read_text(encoding="utf-8"))
    (entry,) = [out for out in content["stages"]["train_gan"]["outs"] if out["path"] == REFERENCE]
    entry["md5"] = "0" * 32
    with lock.open("w", encoding="utf-8") as file:
        YAML().dump(content, file)
    page = report(project, "HEAD").read_text(encoding="utf-8")
    assert "not compared (other test images)" in page
    assert "no clear difference" not in page


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
