"""Install a lock into this virtual environment: `python -m tools.install requirements.txt`.

pip follows the user's index, proxy and certificates, and none of the settings that change what is installed or where.
Only the standard library is imported, because nothing else is installed yet.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

from tools.venv import require_supported

WHERE_FROM = (
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "proxy",
    "cert",
    "client-cert",
    "trusted-host",
    "keyring-provider",
    "timeout",
    "default-timeout",
    "retries",
    "cache-dir",
    "no-cache-dir",
    "use-feature",
    "use-deprecated",
)
"""pip's settings of where packages come from: they change no byte, because every package is verified by its hash."""
SECTIONS = ("global", "install", ":env:")
"""Where pip finds settings, the strongest last."""


def install(python: Path, lock: Path) -> int:
    """Install the lock with the pip of that interpreter, its output passed through. Returns the exit code."""
    # Isolated (-I) from PYTHONPATH and its like, and from the user's own packages.
    pip = [str(python), "-I", "-m", "pip"]
    command = [*pip, "install", "--quiet", "--require-hashes", "--requirement", str(lock)]
    return subprocess.run(command, env=environment(user_settings(pip)), check=False).returncode


def user_settings(pip: list[str]) -> str:
    """What `pip config list` prints. Says in one line why it prints nothing if a setting cannot be read."""
    # -vvv: a user may have made pip quiet, up to three times. Settings such as PIP_PYTHON would end this command too.
    done = subprocess.run(
        [*pip, "-vvv", "config", "list"], env=listing_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = [*(done.stderr or done.stdout).strip().splitlines(), f"exit code {done.returncode}"][0]
        print(f"install: goes on without pip's settings, which pip cannot read: {reason}", file=sys.stderr)
    return done.stdout


def listing_environment() -> dict[str, str]:
    """The variables for `pip config list`: of pip's own only those of where packages come from and of its files."""
    kept = {"PIP_CONFIG_FILE", *(_variable(key) for key in WHERE_FROM)}
    return {name: value for name, value in os.environ.items() if not name.startswith("PIP_") or name in kept}


def _variable(key: str) -> str:
    return f"PIP_{key.replace('-', '_').upper()}"


def environment(listed: str) -> dict[str, str]:
    """The variables for pip, from what `pip config list` prints: lines such as global.index-url='https://...'."""
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in found and key in WHERE_FROM:
            found[section][key] = str(ast.literal_eval(value))
    kept = {key: value for section in SECTIONS for key, value in found[section].items()}
    others = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    # pip reads no file of settings if this one is named.
    others |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return others | {_variable(key): value for key, value in kept.items()}


if __name__ == "__main__":
    require_supported("install")
    sys.exit(install(Path(sys.executable), Path(sys.argv[1])))
