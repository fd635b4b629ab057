"""No module of tests or tools needs what Windows lacks before one of its functions is called."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}
ATTRIBUTES = re.compile(
    r"os\.(fork|forkpty|get[e]?[ug]id|getgroups|getpg(id|rp)|getsid|killpg|mkfifo|mknod|nice|pidfd_open|openpty"
    r"|sched_\w+|set[e]?[ug]id|setpgid|setsid|sysconf|umask|uname|wait\w+|WNOHANG)"
    r"|signal\.(?!SIG(INT|TERM|ABRT|FPE|ILL|SEGV|_\w+)$)SIG[A-Z]\w+"
    r"|signal\.(alarm|setitimer|pthread_\w+|sigwait\w*)|socket\.AF_UNIX"
)
"""Of the modules os, signal and socket, what they have on POSIX systems alone."""


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module that run when it is imported: of functions the decorators and defaults alone."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
        return
    yield node
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        children = iter([*node.decorator_list, node.args])
    elif isinstance(node, ast.Lambda):
        children = iter([node.args])
    for child in children:
        yield from run_at_import(child)


def names(node: ast.AST) -> list[str]:
    """The modules that a node imports, or the attribute that it reads, in full."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [ast.unparse(node)] if isinstance(node, ast.Attribute) else []


def missing_on_windows(text: str) -> list[str]:
    found = [name for node in run_at_import(ast.parse(text)) for name in names(node)]
    return [name for name in found if name in MODULES or ATTRIBUTES.fullmatch(name)]


@pytest.mark.parametrize("folder", ["tests", "tools"])
def test_no_module_fails_at_its_import(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert len(paths) > 40
    found = {path.relative_to(ROOT).as_posix(): missing_on_windows(path.read_text("utf-8")) for path in paths}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("import resource", ["resource"]),
        ("from os import mkfifo", ["os.mkfifo"]),
        ("KINDS = {'a FIFO': (os.mkfifo, 1)}", ["os.mkfifo"]),
        ("@skipif(os.geteuid() == 0)\ndef test(): pass", ["os.geteuid"]),
        ("@parametrize('n', [signal.SIGKILL, signal.SIGINT])\nclass A: pass", ["signal.SIGKILL"]),
        ("def f(n=signal.SIGHUP): pass", ["signal.SIGHUP"]),
        ("def f():\n    import resource\n    os.fork()", []),
        ("if __name__ == '__main__':\n    os.umask(0)", []),
        ("f = lambda: os.getuid()\nn = getattr(os, 'getuid', int)()", []),
        ("signal.SIG_IGN, signal.Signals, os.getpid(), os.kill", []),
    ],
)
def test_what_is_looked_for(text: str, missing: list[str]) -> None:
    assert missing_on_windows(text) == missing
