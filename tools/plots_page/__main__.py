"""Build the page with the chart library inlined: `python -m tools.plots_page`, which gets it with the npm client.

DVC's own page loads the library from the network, and stays blank without one. `.dvc/config` names the built page.
"""

import hashlib
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import write_text
from stages.common.runtime import report_errors
from tools.failures import take_no_arguments
from tools.fresh import interruptible

FOLDER = Path(__file__).parent
SOURCE, BUILT, LICENCE = FOLDER / "page.html", FOLDER / "built.html", FOLDER / "LICENSE.vega"
MARK = "<!-- libraries -->\n"


@dataclass(frozen=True)
class Library:
    """A package of npm; sha256: of its file build/<name>.min.js."""

    name: str
    version: str
    sha256: str


LIBRARIES = (
    Library("vega", "5.20.2", "4794d0169cb1f3ebad8117fe98ba5bd652dd725905ec0384e832391dbccb03be"),
    Library("vega-lite", "5.2.0", "d73157451b3978015ab31dacd55ff90d986ab8663fc0abed50f97b3cd90002cb"),
    Library("vega-embed", "6.18.2", "1ba9826431ddc9805e815ad92acc811c819f2bfd32bda2a128b8c4b5070fab5e"),
)
"""In the versions that DVC's own page loads, in that order."""


def built(source: str, scripts: list[str]) -> str:
    """The page with the scripts, one for each of LIBRARIES, in the place of MARK. Raises UserError for others."""
    for library, script in zip(LIBRARIES, scripts, strict=True):
        if (actual := hashlib.sha256(script.encode()).hexdigest()) != library.sha256:
            raise UserError(f"{library.name}@{library.version}: expected SHA-256 {library.sha256}, found {actual}")
    blocks = [
        f"<!-- {library.name} {library.version}, BSD-3-Clause, see {LICENCE.name} -->\n<script>\n{script}\n</script>\n"
        for library, script in zip(LIBRARIES, scripts, strict=True)
    ]
    return source.replace(MARK, "".join(blocks))


def fetched(library: Library, folder: Path) -> tuple[str, str]:
    """Script and licence of a library, by the npm client. Raises UserError."""
    command = ["npm", "pack", "--silent", f"{library.name}@{library.version}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("npm is not installed") from None
    if done.returncode:
        raise UserError(f"{' '.join(command)} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        texts = [archive.extractfile(f"package/{name}") for name in (f"build/{library.name}.min.js", "LICENSE")]
        script, licence = (file.read().decode() for file in texts if file is not None)
    return script, licence


def main() -> None:
    """Write the page and the licence."""
    take_no_arguments("tools.plots_page", __doc__)
    with interruptible(), report_errors("plots_page"), tempfile.TemporaryDirectory() as folder:
        scripts, licences = zip(*(fetched(library, Path(folder)) for library in LIBRARIES), strict=True)
        write_text(BUILT, built(SOURCE.read_text(encoding="utf-8"), list(scripts)))
        names = [f"{library.name} {library.version}" for library in LIBRARIES]
        write_text(
            LICENCE, "\n\n".join(f"{name}\n\n{text.strip()}" for name, text in zip(names, licences, strict=True)) + "\n"
        )
        print(f"{BUILT.relative_to(Path.cwd())}: {', '.join(names)}")


if __name__ == "__main__":
    main()
