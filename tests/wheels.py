"""Wheels that tests install without a network."""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path

FAKE_DVC = f"""
import os, subprocess, sys
print("locked dvc of", sys.prefix, flush=True)
sys.exit(subprocess.run([{sys.executable!r}, "-m", "dvc", *sys.argv[1:]]).returncode)
"""
"""Stands in for DVC: it names its environment, and has the real one do the work."""


def wheel(folder: Path, name: str, source: str) -> str:
    """A wheel of that package, whose main program is the source. Returns the line of a lock for it."""
    path = folder / f"{name}-9.0-py3-none-any.whl"
    info = f"{name}-9.0.dist-info"
    files = {
        f"{name}/__init__.py": "",
        f"{name}/__main__.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    hashes = {
        file: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        for file, text in files.items()
    }
    record = "".join(f"{file},sha256={hashes[file]},{len(text)}\n" for file, text in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in (files | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}).items():
            archive.writestr(file, text)
    return f"{name}==9.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
