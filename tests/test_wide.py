"""The examples of docs/wide.md, as the page has them: two hosts by network namespaces, and Slurm with stand-ins."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stage_process import PATIENCE_S, ROOT, Project, wait_until

PAGE = (ROOT / "docs" / "wide.md").read_text(encoding="utf-8")
SHORT = {"total_kimg": 0.4, "snapshot_kimg": 0.2}
"""Ten steps: what is looked at is who computes what, and where."""
ADDRESSES = {"first": "10.0.0.1", "second": "10.0.0.2"}
"""The first one is that of the page."""
Hosts = dict[str, tuple[str, ...]]
"""What a command on each host begins with."""


def block(name: str) -> str:
    """The text of the page's code block between marks of that name."""
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", PAGE, re.DOTALL)
    assert found
    return found[1]


COMMANDS = dict(line.split("$ ", 1) for line in block("two hosts").splitlines())
SCRIPT = block("slurm")


@pytest.fixture(scope="module")
def reference(normalized: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process writes."""
    return Project.create(tmp_path_factory.mktemp("wide") / "reference", normalized, **SHORT).run_checked(
        GAN_PROCESSES="1"
    )


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def namespaces_missing() -> str:
    """Why this machine has no network namespaces for tests; empty if it has."""
    if os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "network namespaces need the command ip, of iproute2"
    name = f"gan-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode == 0:
        subprocess.run(["ip", "netns", "delete", name], check=False)
        return ""
    return f"this machine permits no network namespaces ({made.stderr.strip()[:100]})"


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    """Two network namespaces, each with an interface eth0 and an address of its own, joined by a cable."""
    if reason := namespaces_missing():
        pytest.skip(f"NOT RUN: {reason}")
    names = {host: f"gan-{host}-{os.getpid()}" for host in ADDRESSES}
    with contextlib.ExitStack() as made:
        for name in names.values():
            ip("netns", "add", name)
            made.callback(ip, "netns", "delete", name)
        first, second = names.values()
        ip("link", "add", "eth0", "netns", first, "type", "veth", "peer", "name", "eth0", "netns", second)
        for host, name in names.items():
            ip("-n", name, "address", "add", f"{ADDRESSES[host]}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield {host: ("ip", "netns", "exec", name) for host, name in names.items()}


@pytest.fixture
def projects(normalized: Path, tmp_path: Path) -> dict[str, Project]:
    """A folder for each host: they share no disk."""
    return {host: Project.create(tmp_path / host, normalized, **SHORT) for host in COMMANDS}


def started(host: str, projects: dict[str, Project], hosts: Hosts) -> "contextlib.AbstractContextManager[Popen]":
    return projects[host].started(*hosts[host], "bash", "-c", COMMANDS[host])


Popen = subprocess.Popen[str]


@pytest.mark.slow
def test_two_hosts_give_the_bytes_of_one_process(
    projects: dict[str, Project], hosts: Hosts, reference: dict[str, bytes]
) -> None:
    """The commands as the page has them. The hosts reach each other by eth0 alone, and the first one writes."""
    with started("second", projects, hosts) as second, started("first", projects, hosts) as first:
        for process in (first, second):
            out, err = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, out + err
    assert projects["first"].written() == reference
    assert projects["second"].written() == {}
    assert not (projects["second"].root / ".checkpoints").exists()


def test_the_hosts_of_that_test_share_no_network(hosts: Hosts) -> None:
    """Otherwise it would show nothing: a port of one host's loopback interface is not there for the other."""
    listen = "import socket, time; s = socket.create_server(('127.0.0.1', 29400)); print(flush=True); time.sleep(60)"
    connect = "import socket, sys; socket.create_connection((sys.argv[1], 29400), 5)"
    with subprocess.Popen([*hosts["first"], "python3", "-c", listen], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdout.readline() == "\n"
        own, other = (
            subprocess.run([*hosts[host], "python3", "-c", connect, "127.0.0.1"], capture_output=True, check=False)
            for host in ("first", "second")
        )
        server.kill()
    assert own.returncode == 0
    assert b"ConnectionRefusedError" in other.stderr


@pytest.mark.slow
def test_stopped_on_the_second_host_both_end_and_go_on_to_the_same_bytes(
    normalized: Path, tmp_path: Path, hosts: Hosts
) -> None:
    """As Ctrl-C does, to all processes of that host's terminal."""
    length = {"total_kimg": 8.0}
    alone = Project.create(tmp_path / "alone", normalized, **length).run_checked(GAN_PROCESSES="1")
    projects = {host: Project.create(tmp_path / host, normalized, **length) for host in COMMANDS}
    with started("second", projects, hosts) as second, started("first", projects, hosts) as first:
        wait_until(projects["first"].checkpoints)
        os.killpg(second.pid, signal.SIGINT)
        said = [process.communicate(timeout=PATIENCE_S) for process in (first, second)]
    assert first.returncode != 0
    assert second.returncode != 0
    assert "train_gan: stopped at " in said[0][1]
    with started("second", projects, hosts) as second, started("first", projects, hosts) as first:
        out, err = first.communicate(timeout=PATIENCE_S)
    assert "resuming from the checkpoint at " in out, err
    assert projects["first"].written() == alone


STAND_INS = {
    "scontrol": '#!/bin/sh\n[ "$1 $2 $3" = "show hostnames first,second" ] && printf "127.0.0.1\\nsecond\\n"\n',
    "srun": """#!/bin/bash
for id in 0 1; do
  SLURM_NODEID=$id SLURM_PROCID=$id "$@" &
  tasks="$tasks $!"
done
for task in $tasks; do wait $task || exit 1; done
""",
}
"""Programs of Slurm: the names of the hosts of a job, and a command as one task on each of two hosts."""


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A folder of programs that stand in for those of Slurm."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    for name, text in STAND_INS.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def queued(project: Project, cluster: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run the script in the project's folder as a job with what it asks for."""
    (project.root / ".venv" / "bin").mkdir(parents=True)
    (project.root / ".venv" / "bin" / "activate").touch()
    (project.root / "slurm.sh").write_text(script, encoding="utf-8")
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", script, re.MULTILINE))
    assert (asked["nodes"], asked["ntasks-per-node"]) == ("2", "1")
    job = {
        "SLURM_JOB_NODELIST": "first,second",
        "SLURM_NNODES": asked["nodes"],
        "SLURM_CPUS_PER_TASK": asked["cpus-per-task"],
    }
    path = f"{cluster}{os.pathsep}{project.environment()['PATH']}"
    return project.run("bash", "slurm.sh", PATH=path, **job)


def test_the_job_of_slurm_starts_a_launcher_on_each_host(normalized: Path, tmp_path: Path, cluster: Path) -> None:
    """The script as the page has it; torchrun only says how it was called."""
    (cluster / "torchrun").write_text('#!/bin/sh\necho "$GLOO_SOCKET_IFNAME $*"\n', encoding="utf-8")
    (cluster / "torchrun").chmod(0o755)
    done = queued(Project.create(tmp_path / "project", normalized, **SHORT), cluster, SCRIPT)
    assert (done.returncode, done.stderr) == (0, "")
    same = "--nproc-per-node 2 --master-addr 127.0.0.1 --master-port 29500 -m stages.train_gan"
    assert sorted(done.stdout.splitlines()) == [f"eth0 --nnodes 2 --node-rank {rank} {same}" for rank in (0, 1)]


@pytest.mark.slow
def test_the_job_of_slurm_gives_the_bytes_of_one_process(
    normalized: Path, tmp_path: Path, cluster: Path, reference: dict[str, bytes]
) -> None:
    """The script as the page has it, but for the names of the interface and the port, which this machine may not have.

    Both tasks run in one folder, as on a disk that both hosts see.
    """
    project = Project.create(tmp_path / "project", normalized, **SHORT)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    done = queued(project, cluster, SCRIPT.replace("eth0", "lo").replace("29500", port))
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.written() == reference
