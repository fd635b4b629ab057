"""A library that cannot be loaded ends a stage in one line: it is missing, or was built for another machine."""

import sys
from pathlib import Path
from types import TracebackType

STAGES = Path(__file__).resolve().parents[1]


def explain_failing_imports() -> None:
    """Replace the traceback of an import that fails, of a package that is not the project's, or is interrupted."""
    sys.excepthook = _explain


def _explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):  # while packages load, or between two pieces of work
        print(f"{_program()}: interrupted", file=sys.stderr)
    elif reason := failing_import(error, trace):
        print(f"{_program()}: {reason}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def failing_import(error: BaseException, trace: TracebackType | None) -> str | None:
    """One line if the error is that of a package that cannot be loaded; None if it is any other.

    A package is loaded by a statement of a module of the project, not of a function; the package raises the error.
    """
    frames = []
    while trace:
        code = trace.tb_frame.f_code
        frames.append((Path(code.co_filename), code.co_name))
        trace = trace.tb_next
    own = [(file, name) for file, name in frames if file.is_relative_to(STAGES)]
    missing = isinstance(error, ImportError) and not (error.name or "stages").startswith("stages")
    raised_elsewhere = bool(frames) and frames[-1] not in own
    loading = bool(own) and all(name == "<module>" for _, name in own)
    if not isinstance(error, Exception) or not (missing or (raised_elsewhere and loading)):
        return None
    return f"{unloadable(error)}; {remedy(error)}"


def unloadable(error: BaseException) -> str:
    """What cannot be loaded, and the first line of the reason."""
    name = getattr(error, "name", None)
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"a package cannot be loaded{f' ({name})' if name else ''}: {lines[0][:200]}"


def remedy(error: BaseException) -> str:
    """What to do about a package that cannot be loaded."""
    if any(text in str(error) for text in ("failed to map segment", "annot allocate memory")):
        return "memory, or this shell's limit of it (`ulimit -v`), is too little"
    return "`make repro` installs the locked packages in .venv"


def _program() -> str:
    """The name of the stage, or of the program that imports one; sys.argv does not have it while a package loads."""
    arguments = sys.orig_argv[1:]
    if "-m" in arguments[:-1]:
        return arguments[arguments.index("-m") + 1].removeprefix("stages.")
    return Path(sys.argv[0]).stem if sys.argv and sys.argv[0] not in ("", "-c") else "stages"
