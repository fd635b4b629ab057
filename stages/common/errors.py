"""The one exception for what a user can cause and mend."""


class UserError(Exception):
    """Carries one clear line: what is wrong and where, expected and found, what to do. Shown without a traceback."""
