"""The exception for errors that a user can cause and correct."""


class UserError(Exception):
    """A single clear line: what is wrong and where, expected and found, what to do. Shown without a traceback."""
