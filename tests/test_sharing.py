"""docs/sharing.md in clones: what one pushes, another pulls, and `dvc repro` there does nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tools.clone import Clone, tiny_clone
from tools.profiles import PIPELINE

TARGET = "normalize"
"""The last stage that runs here, after check and download."""
BUCKET = "digits"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "name", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, warm: dict[str, str]) -> Iterator[Clone]:
    """A clone in which the first stages ran, their results committed."""
    folder = tmp_path_factory.mktemp("sharing")
    made = tiny_clone(folder, PIPELINE)
    made = Clone(made.root, made.environment | warm)
    made.run_checked("git", "config", "user.name", "Test")
    made.run_checked("git", "config", "user.email", "test@example.org")
    made.dvc("repro", TARGET)
    commit(made)
    yield Clone(made.root, made.environment | CREDENTIALS)
    shutil.rmtree(folder, ignore_errors=True)


def commit(clone: Clone) -> None:
    clone.run_checked("git", "add", "--all")
    clone.run_checked("git", "commit", "--quiet", "--message", "A step")


@pytest.fixture
def s3() -> Iterator[str]:
    """The address of a server that speaks S3, with an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=address,
            aws_access_key_id="name",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=BUCKET)
        yield address
    finally:
        server.stop()


def another_clone(first: Clone, folder: Path) -> Clone:
    """A fresh clone with a cache of its own, that finds no source of the digits."""
    first.run_checked("git", "clone", "--quiet", str(first.root), str(folder / "second"))
    nowhere = {"GAN_DATA_SOURCE": str(folder), "DVC_SITE_CACHE_DIR": str(folder / "site")}
    return Clone(folder / "second", first.environment | nowhere)


def outs(clone: Clone) -> dict[str, bytes]:
    folders = [clone.root / "data" / stage for stage in ("check", "download", "normalize")]
    return {
        path.relative_to(clone.root).as_posix(): path.read_bytes() for folder in folders for path in folder.iterdir()
    }


def assert_shared(first: Clone, tmp_path: Path) -> None:
    """After the remote was named in the first clone: push there, pull in another, and nothing runs."""
    commit(first)
    first.dvc("push", "--run-cache")
    second = another_clone(first, tmp_path)
    second.dvc("pull", "--run-cache", "--with-deps", TARGET)
    assert outs(second) == outs(first)
    assert "Running stage" not in (printed := second.dvc("repro", TARGET))
    assert "up to date" in printed
    assert "up to date" in second.dvc("status", "--with-deps", TARGET)
    # The run cache came along: without the lock, DVC finds what the same dependencies gave.
    (second.root / "dvc.lock").unlink()
    printed = second.dvc("repro", TARGET)
    assert f"Stage '{TARGET}' is cached" in printed
    assert "Running stage" not in printed
    assert outs(second) == outs(first)


@pytest.mark.slow
def test_a_folder_as_a_remote(first: Clone, tmp_path: Path) -> None:
    first.dvc("remote", "add", "--force", "--default", "storage", str(tmp_path / "storage"))
    assert_shared(first, tmp_path)


@pytest.mark.slow
def test_s3_as_a_remote(first: Clone, s3: str, tmp_path: Path) -> None:
    first.dvc("remote", "add", "--force", "--default", "storage", f"s3://{BUCKET}/gan")
    first.dvc("remote", "modify", "storage", "endpointurl", s3)
    assert_shared(first, tmp_path)


@pytest.mark.slow
def test_the_generator_is_got_by_its_name(first: Clone, tmp_path: Path) -> None:
    """Of the version that a tag names; the name and the path are those of the project's dvc.yaml."""
    first.dvc("remote", "add", "--force", "--default", "storage", str(tmp_path / "storage"))
    first.dvc("repro", "train_gan", GAN_PROCESSES="1")
    commit(first)
    first.run_checked("git", "tag", "--annotate", "generator@v1.0.0", "--message", "The first")
    first.dvc("push")
    # Of the tag's version, and by its path, of a commit.
    elsewhere, path = Clone(tmp_path, first.environment), "data/train_gan/generator.safetensors"
    project, expected = str(first.root), (first.root / path).read_bytes()
    elsewhere.dvc("artifacts", "get", project, "generator", "--rev", "v1.0.0", "--out", "by_name.safetensors")
    elsewhere.dvc("get", project, path, "--rev", "HEAD", "--out", "by_path.safetensors")
    assert (tmp_path / "by_name.safetensors").read_bytes() == expected
    assert (tmp_path / "by_path.safetensors").read_bytes() == expected
