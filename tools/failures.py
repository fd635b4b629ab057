"""Errors of a tool that runs for minutes or hours: one line, no traceback; and a command line without arguments."""

import argparse
import contextlib
import sys
from collections.abc import Iterator

from stages.common.errors import UserError
from stages.common.failures import failure_of
from stages.common.streams import keep_printing


@contextlib.contextmanager
def errors_in_one_line(tool: str) -> Iterator[None]:
    """Exit with code 1 and one line for an error of the user or the machine, such as a full disk.

    Unlike runtime.report_errors, it advises nothing about outs and stages: a tool writes none.
    """
    keep_printing()
    try:
        yield
    except UserError as error:
        sys.exit(f"{tool}: {error}")
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        sys.exit(f"{tool}: {failure.reason}")


def take_no_arguments(module: str, description: str | None) -> None:
    """Exit with the description for --help, and with code 2 for anything else: a slip must not start hours of work."""
    form = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(prog=f"python -m {module}", description=description, formatter_class=form).parse_args()
