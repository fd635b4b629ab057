"""The command line of tools that take no arguments."""

import argparse


def take_no_arguments(module: str, description: str | None) -> None:
    """Exit with the description for --help, and with code 2 for anything else: a slip must not start hours of work."""
    form = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(prog=f"python -m {module}", description=description, formatter_class=form).parse_args()
