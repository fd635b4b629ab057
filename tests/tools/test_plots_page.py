"""The page of `dvc plots show` and `dvc plots diff`: whole in itself, and drawn without a network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from stages.common.errors import UserError
from tools.clone import Clone, user_environment
from tools.plots_page.__main__ import BUILT, FOLDER, LIBRARIES, LICENCE, SOURCE, built
from tools.repository import git

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
PAGE = BUILT.read_text(encoding="utf-8")
DVC_YAML = """
plots:
  - losses:
      title: Losses
      x: kimg
      y:
        losses.csv: [d_loss, g_loss]
  - recognised.csv:
      title: Recognised
      template: bar_horizontal
      x: count
      y: class
  - samples
"""


def scripts() -> list[str]:
    """Those of the libraries, out of the built page."""
    return re.findall(r"^<!-- [\w-]+ [\d.]+, BSD-3-Clause, .*?-->\n<script>\n(.*?)\n</script>\n", PAGE, re.M | re.S)


def test_the_page_is_its_source_with_the_pinned_libraries() -> None:
    """Whose hashes the building refuses others than."""
    assert built(SOURCE.read_text(encoding="utf-8"), scripts()) == PAGE
    with pytest.raises(UserError, match=r"^vega@5\.20\.2: expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}$"):
        built("", [scripts()[0] + " ", *scripts()[1:]])


def test_the_licence_of_each_library_is_beside_it() -> None:
    text = LICENCE.read_text(encoding="utf-8")
    for library in LIBRARIES:
        assert f"{library.name} {library.version}\n" in text
    assert text.count("Redistribution and use in source and binary forms") == len(LIBRARIES)


def test_dvc_uses_the_page() -> None:
    config = (ROOT / ".dvc/config").read_text(encoding="utf-8")
    (name,) = re.findall(r"^ *html_template = (.+)$", config, re.MULTILINE)
    assert (ROOT / ".dvc" / name).resolve() == BUILT.resolve()
    assert "{plot_divs}" in PAGE
    assert "{scripts}" not in PAGE


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A project with curves, bars and a series of pictures, as DVC's configuration of this one has it."""
    folder = tmp_path_factory.mktemp("plots")
    made = Clone(folder / "project", user_environment(folder))
    made.root.mkdir()
    git(made.root, "init", "--quiet", throw_away=True)
    made.dvc("init", "--quiet")
    shutil.copy(ROOT / ".dvc/config", made.root / ".dvc/config")
    shutil.copytree(FOLDER, made.root / "tools/plots_page", ignore=shutil.ignore_patterns("__pycache__"))
    (made.root / "dvc.yaml").write_text(DVC_YAML, encoding="utf-8")
    (made.root / "losses.csv").write_text("kimg,d_loss,g_loss\n1,1.4,0.7\n2,1.3,0.8\n3,1.2,0.9\n", encoding="utf-8")
    (made.root / "recognised.csv").write_text("class,count\n0,10\n1,12\n", encoding="utf-8")
    (made.root / "samples").mkdir()
    for epoch in (1, 2, 3):
        Image.new("L", (28, 28), 80 * epoch).save(made.root / f"samples/epoch_{epoch:04}.png")
    git(made.root, "add", "--all", throw_away=True)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    git(made.root, *identity, "commit", "--quiet", "--message", "Plots", throw_away=True)
    return made


@pytest.mark.parametrize("command", [("show",), ("diff", "HEAD")], ids=["show", "diff"])
def test_charts_are_drawn_without_a_network(command: tuple[str, ...], project: Clone) -> None:
    if command[0] == "diff":
        (project.root / "losses.csv").write_text("kimg,d_loss,g_loss\n1,1.1,0.9\n2,1.0,0.9\n", encoding="utf-8")
    project.run_checked(sys.executable, "-m", "dvc", "plots", *command, "--out", command[0])
    page = project.root / command[0] / "index.html"
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']?(https?:)?//", text)
    assert '"title": {"text": "Losses"' in text
    if CHROMIUM is None:
        pytest.skip("NOT RUN: chromium is not installed")
    dom, messages = shown_by_chromium(CHROMIUM, page)
    assert len(re.findall(r'<canvas [^>]*class="marks"', dom)) == 2
    assert "cannot be drawn" not in re.sub(r"<script.*?</script>", "", dom, flags=re.DOTALL)
    assert dom.count('type="range" min="0" max="2"') == 1
    assert dom.count('class="picture"') == 1
    assert dom.count('class="picture next"') == 2
    assert not [line for line in messages if "Uncaught" in line or "rror" in line or "Failed" in line]


def shown_by_chromium(program: str, page: Path) -> tuple[str, list[str]]:
    """The page's elements after its scripts ran, and what they said on the console."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]
    options += [f"--user-data-dir={page.parent / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command = [program, *options, "--virtual-time-budget=20000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
