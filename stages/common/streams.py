"""stdin, stdout and stderr: usable whatever the user has done with them, for no result depends on them."""

import io
import os
import sys
from typing import Any


def open_standard_streams() -> None:
    """Open /dev/null in place of standard streams that are closed: the next file would get such a stream's number.

    What a library or another process prints would then be written into that file.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False, encoding="utf-8", errors="replace"))


def keep_printing() -> None:
    """Let stdout and stderr replace what their encoding lacks, and drop what nobody can take.

    Names of classes may be in kana; a reader (`dvc repro | head`), a terminal or the disk of a log may be gone.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=stream.errors if name == "stderr" else "replace")
            # Not what a test or a notebook has put in its place, nor a console of Windows, which takes no plain bytes.
            if stream is getattr(sys, f"__{name}__") and isinstance(_raw(stream), io.FileIO):
                setattr(sys, name, _forgiving(stream))


def _raw(stream: io.TextIOWrapper) -> object:
    """What takes the bytes of the stream; of a console of Windows it is no io.FileIO."""
    return getattr(stream.buffer, "raw", stream.buffer)  # without a buffer: PYTHONUNBUFFERED


class _Forgiving(io.FileIO):
    def write(self, content: Any, /) -> int:
        try:
            return super().write(content)
        except OSError:
            return memoryview(content).nbytes


def _forgiving(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The stream anew; whoever holds the old one, such as a handler of logging, keeps that."""
    stream.flush()
    raw = _Forgiving(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        raw if isinstance(stream.buffer, io.FileIO) else io.BufferedWriter(raw),  # PYTHONUNBUFFERED
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
