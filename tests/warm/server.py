"""Runs stages in processes that have loaded torch and all other packages already: each is a fork of this one.

Started as `python -E -m tests.warm.server <name>` in the project's folder. It loads what the stages import, forgets
the project's own modules, and forks for each request of a client; the code of a stage comes from the client's folder.
Ends when its standard input does.
"""

import json
import os
import runpy
import select
import signal
import socket
import sys
from pathlib import Path

# With all packages that stages import, under the settings that these see to.
import stages.check
import stages.train_gan  # noqa: F401

assert sys.platform == "linux"


def forget_the_project() -> None:
    """So that a fork imports the code anew, from its own folder."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("stages", "tests", "tools")]:
        del sys.modules[name]
    sys.excepthook = sys.__excepthook__


def serve(address: str) -> str:
    """Returns, in a fork for each request, the module that the client asks for."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{address}")  # a name of Linux alone, which no file holds
        server.listen()
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([server.fileno(), 0], [], [])
            if 0 in ready:
                sys.exit()
            client, _ = server.accept()
            if os.fork() == 0:
                server.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return answer(client)
            client.close()


def answer(client: socket.socket) -> str:
    """Returns, in a fork of this fork, the module; this one waits for that, and tells the client how it ended."""
    size, streams, _, _ = socket.recv_fds(client, 4, 3)
    request = json.loads(client.recv(int.from_bytes(size, "little"), socket.MSG_WAITALL))
    if number := os.fork():
        process = os.pidfd_open(number)
        ready, _, _ = select.select([client.fileno(), process], [], [])
        if process not in ready:  # the client was ended
            os.kill(number, signal.SIGKILL)
        _, status = os.waitpid(number, 0)
        if process in ready:
            client.sendall(b"%d" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    client.close()
    for stream, number in zip(streams, (0, 1, 2), strict=True):
        os.dup2(stream, number)
        os.close(stream)
    open_text_streams()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    return str(request["module"])


def open_text_streams() -> None:
    """Those of a new interpreter: the old ones remember whether one can seek in what they were."""
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        new = open(number, old.mode, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        if name == "stderr":
            new.reconfigure(line_buffering=True)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def run(module: str) -> None:
    """As `python -E -m module` does, in a new interpreter, with this process's working folder."""
    sys.path[0] = str(Path.cwd())
    sys.argv = [module]
    sys.orig_argv = [sys.executable, "-E", "-m", module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    forget_the_project()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    run(serve(sys.argv[1]))
