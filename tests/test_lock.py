"""The locks: every dependency pinned with hashes, for every system, without an address of any machine."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.txt", "requirements-dev.txt")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"},
    "darwin": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "os_name": "posix"},
    "win32": {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64", "os_name": "nt"},
}
PYTHONS = ("3.11", "3.12", "3.13")


def lines(lock: str) -> list[str]:
    """One for each requirement, with its hashes."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def requirements(lock: str) -> list[Requirement]:
    return [Requirement(line.split(" --hash=")[0].strip()) for line in lines(lock)]


def pins(lock: str, system: str, python: str) -> dict[str, str]:
    """What pip would install there: name to version."""
    environment = SYSTEMS[system] | {"python_version": python, "python_full_version": f"{python}.7"}
    chosen = [r for r in requirements(lock) if r.marker is None or r.marker.evaluate(environment)]
    assert len({canonicalize_name(requirement.name) for requirement in chosen}) == len(chosen)
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in chosen}


def declared(dev: bool) -> list[Requirement]:
    texts = PYPROJECT["dependencies"] + (PYPROJECT["optional-dependencies"]["dev"] if dev else [])
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_with_hashes(lock: str) -> None:
    assert len(lines(lock)) > 50
    for line in lines(lock):
        assert re.match(r"^[a-z0-9._-]+(\[[a-z0-9,._-]+\])?==\d[^\s+]* ", line, re.IGNORECASE), line
        assert re.search(r" --hash=sha256:[0-9a-f]{64}( |$)", line), line


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address_no_index_no_local_version(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    for forbidden in (
        "://",
        " @ ",
        "file:",
        "--index",
        "--extra-index",
        "-i ",
        "--find-links",
        "-f ",
        "--trusted-host",
    ):
        assert forbidden not in text
    assert not re.search(r"==[^\s;]*\+", text)
    assert {word for word in text.split() if word.startswith("-")} <= {
        word for word in text.split() if word.startswith("--hash=sha256:")
    }


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_system_and_python_gets_what_pyproject_asks_for(system: str, python: str) -> None:
    for lock, dev in zip(LOCKS, (False, True), strict=True):
        found = pins(lock, system, python)
        for requirement in declared(dev):
            if requirement.marker and not requirement.marker.evaluate(
                {"sys_platform": system, "python_version": python}
            ):
                assert canonicalize_name(requirement.name) not in found
                continue
            version = found[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version, prereleases=True), f"{requirement} but {version} in {lock}"


@pytest.mark.parametrize("system", SYSTEMS)
def test_tests_run_on_the_versions_that_runs_have(system: str) -> None:
    run, dev = (pins(lock, system, "3.11") for lock in LOCKS)
    assert run.items() <= dev.items()
    assert len(dev) > len(run)


@pytest.mark.parametrize("name", ["torch", "numpy"])
def test_what_decides_bytes_has_one_version_everywhere(name: str) -> None:
    versions = {pins(lock, system, python)[name] for lock in LOCKS for system in SYSTEMS for python in PYTHONS}
    assert len(versions) == 1


def test_supported_pythons_are_those_resolved_for() -> None:
    assert PYPROJECT["requires-python"] == ">=3.11,<3.14"
