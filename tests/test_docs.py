"""Every path, command, link and tree of the documentation against the project; and the recipes of CONTRIBUTING.md."""

import fnmatch
import importlib.util
import re
import shlex
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest
from dvc.cli.parser import get_main_parser
from ruamel.yaml import YAML

from tests.recipes import recipes
from tools import locked

ROOT = Path(__file__).parents[1]
PAGES = [
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "tests/digits/README.md")
    ),
    *sorted((ROOT / "data").glob("*/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SUFFIXES = [
    ".py",
    ".md",
    ".yaml",
    ".yml",
    ".json",
    ".csv",
    ".txt",
    ".lock",
    ".toml",
    ".png",
    ".gif",
    ".safetensors",
    ".dvc",
]
"""Names with these endings, and names with a slash at the end or under a folder of the project, are paths."""
RECIPES = recipes(CONTRIBUTING)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


def without_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def inline_code(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", without_blocks(page.read_text(encoding="utf-8")))


# --- paths ---


def project_files() -> set[str]:
    """The files that Git knows, or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name for name in listed if (ROOT / name).exists()}


def outs() -> set[str]:
    """What the stages write, and environment.json, which DVC does not know."""
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    entries = [entry for stage in stages for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries} | {
        "data/train_gan/environment.json"
    }


def known_paths() -> set[str]:
    """Files and outs with their folders; what the recipes create; what users put under data; what runs leave."""
    new = {step.path for steps in RECIPES.values() for step in steps if step.anchor is None}
    initial = {f"data/init/name{rest}" for rest in ("/generator.safetensors", ".dvc")}
    initial |= {"data/generate/shards/index.json"}
    initial |= {"data/images/name/class/1.png", "data/images/name.dvc", "data/images/faces/glad/1.png"}
    left = {".checkpoints/file", ".dvc/cache/file", f"{locked.FOLDER}/file", "gpu.json"}
    files = project_files() | outs() | new | initial | left
    return files | {parent.as_posix() for file in files for parent in PurePosixPath(file).parents}


def is_path(code: str) -> bool:
    top = code.partition("/")[0]
    in_project = "/" in code and (ROOT / top).is_dir() and top != ""
    return not re.search(r"[\s()=,|]", code) and (code.endswith((*SUFFIXES, "/")) or in_project)


@each_page
def test_paths_exist(page: Path) -> None:
    """A path may leave out the folders above it, as in `track.csv`; <name> is any name, ${...} the chosen network."""
    known = known_paths()
    paths = {code for code in inline_code(page) if is_path(code)}
    patterns = {path: re.sub(r"\$\{[\w.]+\}|<\w+>", "*", path).rstrip("/") for path in paths}
    missing = [
        path
        for path, pattern in patterns.items()
        if not (fnmatch.filter(known, pattern) or fnmatch.filter(known, f"*/{pattern}"))
    ]
    assert missing == []


@each_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, link


# --- trees ---


def tree_paths(page: Path) -> list[str]:
    """The paths of the tree between the page's marks: two spaces a level, folders with a slash, then what they are."""
    block = page.read_text(encoding="utf-8").partition("<!-- tree -->\n```\n")[2].partition("```\n")[0]
    assert block
    paths, folders = [], list[str]()
    for line in block.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = line.split("  ", 2 * depth + 1)[2 * depth].split() if depth == 0 else [line.split()[0]]
        del folders[depth:]
        paths += ["/".join([*folders, name.rstrip("/")]) for name in names]
        folders.append(names[-1].rstrip("/"))
    return paths


@pytest.mark.parametrize("name", ["README.md", "docs/architecture.md"])
def test_trees_show_what_exists(name: str) -> None:
    known = known_paths()
    missing = [path for path in tree_paths(ROOT / name) if not fnmatch.filter(known, re.sub(r"<\w+>", "*", path))]
    assert missing == []


def test_the_architecture_shows_every_module() -> None:
    shown = [re.sub(r"<\w+>", "*", path) for path in tree_paths(ROOT / "docs/architecture.md")]
    modules = {name for name in project_files() if re.match(r"(stages|tools)/.*\.py$", name)} - {"tools/__init__.py"}
    assert sorted(name for name in modules if not any(fnmatch.fnmatch(name, pattern) for pattern in shown)) == []


def test_the_readme_shows_every_folder_of_the_code() -> None:
    folders = {path.relative_to(ROOT).as_posix() for path in (ROOT / "stages").iterdir() if path.is_dir()}
    assert {path for path in tree_paths(ROOT / "README.md") if path.startswith("stages/")} == {
        folder for folder in folders if not folder.endswith("__")
    }


# --- commands ---


def commands(page: Path) -> list[str]:
    """The commands in console blocks and in inline code, without what surrounds them: comments, variables, `&&`."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    parts = [part for line in [*lines, *inline_code(page)] for part in line.split("&&")]
    return [re.sub(r"^(\w+=\S+ )+", "", part.strip()) for part in parts]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@each_page
def test_make_targets_exist(page: Path) -> None:
    named = {command.split()[1] for command in commands(page) if re.match(r"make [a-z]", command)}
    assert named - make_targets() == set()


def test_the_page_of_settings_names_every_make_target() -> None:
    named = {command.split()[1] for command in commands(ROOT / "docs/settings.md") if re.match(r"make [a-z]", command)}
    assert named == make_targets()


@each_page
def test_python_modules_exist(page: Path) -> None:
    new = {step.path.removesuffix(".py").replace("/", ".") for steps in RECIPES.values() for step in steps}
    for command in commands(page):
        for module in re.findall(r"^(?:python3?|torchrun)\b.*? -m ([\w.]+)", command):
            assert module in new or importlib.util.find_spec(module) is not None, command


@each_page
def test_dvc_understands_its_commands(page: Path) -> None:
    """By DVC's own parser, which ends the program if it does not. Of messages parts are left out."""
    for command in commands(page):
        if command.startswith("dvc ") and "…" not in command:
            get_main_parser().parse_args(shlex.split(command, comments=True)[1:])


# --- recipes ---


def test_there_is_a_recipe_for_every_kind_of_addition() -> None:
    kinds = [
        "architecture",
        "auxiliary objective",
        "loss",
        "penalty",
        "optimiser",
        "dataset",
        "file format",
        "metric",
        "picture",
        "hyper-parameter",
        "stage",
    ]
    assert {title.split(" ", 1)[1] for title in RECIPES} == set(kinds)
    assert all(RECIPES.values())


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_can_be_followed(title: str, tmp_path: Path) -> None:
    """New files do not exist yet, the quoted lines occur once, and the result is valid Python and YAML."""
    for folder in ("stages", "tests", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.glob("*.*"):
        if file.is_file():
            shutil.copy(file, tmp_path)
    for step in RECIPES[title]:
        step.apply(tmp_path)
    for step in RECIPES[title]:
        text = (tmp_path / step.path).read_text(encoding="utf-8")
        if step.path.endswith(".py"):
            compile(text, step.path, "exec")
        elif step.path.endswith(".yaml"):
            YAML(typ="safe").load(text)


# --- examples ---

EXAMPLES = [
    pytest.param(code, output, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, (code, output) in enumerate(
        re.findall(
            r"<!-- run -->\n```python\n(.*?)```\n```\n(.*?)```\n<!-- /run -->",
            page.read_text(encoding="utf-8"),
            re.DOTALL,
        )
    )
]


@pytest.mark.parametrize(("code", "output"), EXAMPLES)
def test_an_example_prints_what_the_page_shows(code: str, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, "example", "exec"), {})
    assert capsys.readouterr().out == output


QUOTED = [
    pytest.param(name, block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, (name, block) in enumerate(
        re.findall(r"<!-- from (\S+) -->\n```\w+\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    )
]


def unindented(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


@pytest.mark.parametrize(("name", "block"), QUOTED)
def test_quoted_lines_stand_in_the_file_that_is_named(name: str, block: str) -> None:
    assert unindented(block) in unindented((ROOT / name).read_text(encoding="utf-8"))


def test_how_a_gan_works_quotes_each_step() -> None:
    assert sum(str(parameter.id).startswith("how-a-gan-works") for parameter in QUOTED) >= 5


# --- versions ---


def test_the_version_is_the_same_everywhere() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "([^"]+)"$', project, re.MULTILINE)
    assert version
    citation = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version[1]
    newest = re.search(r"^## (\d\S*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest
    assert newest[1] == version[1]
