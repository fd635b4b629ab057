"""`make deps`: dvc.yaml lists the code that each stage imports, for every choice of network; the rest is unchanged."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import tools.deps
from stages.common.errors import UserError
from stages.gan import architectures
from tools.deps import CODE, code_deps, imported_files, with_code_deps

ROOT = Path(__file__).parents[2]
DVC_YAML = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
NETWORKS = "stages/gan/networks"
CHOSEN = f"{NETWORKS}/${{train_gan.network}}.py"
BUILDERS = {"train_gan", "generate", "inspect", "track", "report"}
"""The stages that build networks."""

# --- the committed file ---


@pytest.fixture(scope="module")
def committed() -> dict[str, list[str]]:
    return code_deps(ROOT)


def test_dvc_yaml_lists_exactly_what_the_stages_import(committed: dict[str, list[str]]) -> None:
    """DVC does not follow imports: it would not rerun a stage after a change of a module that is not listed."""
    assert with_code_deps(DVC_YAML, committed) == DVC_YAML, "`make deps` updates dvc.yaml"


def test_check_depends_on_all_code(committed: dict[str, list[str]]) -> None:
    assert committed["check"] == [CODE]


def test_stages_that_build_networks_depend_on_the_chosen_network_alone(committed: dict[str, list[str]]) -> None:
    for stage, deps in committed.items():
        in_networks = [dep for dep in deps if dep.startswith(f"{NETWORKS}/")]
        assert in_networks == ([CHOSEN] if stage in BUILDERS else []), stage


def test_files_beside_a_module_that_it_reads_are_listed(committed: dict[str, list[str]]) -> None:
    """Those of the report's page, each of them, for the stages that import what reads them."""
    assets = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "stages/reporting/assets").iterdir())
    assert len(assets) > 10
    assert [dep for dep in committed["report"] if dep.startswith("stages/reporting/assets/")] == assets
    assert not [dep for dep in committed["evaluate"] if dep.startswith("stages/reporting/")]


# --- the text of dvc.yaml ---

BY_HAND = """\
stages:
  # A stage as a newcomer writes it.
  sharpen:
    desc: "Sharpen the samples"   # to see whether it helps
    cmd: python -m stages.sharpen
    params:
      - sharpen
    deps:
      - data/generate/samples.safetensors   # beside the last entry

    outs:
      - data/sharpen/samples.safetensors

  count:
    cmd: python -m stages.count
    outs:
      - data/count/count.json

  # The last comment.
plots:
  - data/count/count.json
"""
WRITTEN = """\
stages:
  # A stage as a newcomer writes it.
  sharpen:
    desc: "Sharpen the samples"   # to see whether it helps
    cmd: python -m stages.sharpen
    params:
      - sharpen
    deps:
      - data/generate/samples.safetensors   # beside the last entry
      - stages/__init__.py
      - stages/sharpen.py

    outs:
      - data/sharpen/samples.safetensors

  count:
    cmd: python -m stages.count
    deps:
      - stages/count.py
    outs:
      - data/count/count.json

  # The last comment.
plots:
  - data/count/count.json
"""
CODE_OF = {"sharpen": ["stages/__init__.py", "stages/sharpen.py"], "count": ["stages/count.py"]}


def test_a_stage_without_code_deps_gets_them_and_the_rest_of_the_file_stays() -> None:
    assert with_code_deps(BY_HAND, CODE_OF) == WRITTEN
    assert with_code_deps(BY_HAND.replace("stages.count\n", "stages.count\n    deps:\n"), CODE_OF) == WRITTEN


def test_writing_twice_changes_nothing() -> None:
    assert with_code_deps(WRITTEN, CODE_OF) == WRITTEN


def test_a_module_that_is_no_longer_imported_leaves_the_list() -> None:
    fewer = CODE_OF | {"sharpen": ["stages/sharpen.py"]}
    assert with_code_deps(WRITTEN, fewer) == WRITTEN.replace("      - stages/__init__.py\n", "")
    other = CODE_OF | {"sharpen": ["stages/__init__.py", "stages/other.py"]}
    assert with_code_deps(WRITTEN, other) == WRITTEN.replace("- stages/sharpen.py", "- stages/other.py")


# --- modules that only a network imports ---

DENSE = '''"""What some networks share."""

from torch import nn


def block(width: int) -> nn.Module:
    """A layer [B, width] to [B, width]."""
    return nn.Sequential(nn.Linear(width, width), nn.ReLU())
'''


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code with stages/gan/dense.py and further networks: `dense` imports it, `deep` imports `dense`."""
    root = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "stages", root / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", root)
    (root / "stages/gan/dense.py").write_text(DENSE, encoding="utf-8")
    chosen = (root / NETWORKS / "dcgan.py").read_text(encoding="utf-8")
    for name, imported in (
        ("dense", "stages.gan.dense import block"),
        ("deep", "stages.gan.networks.dense import Generator as Shallow"),
        ("_helpers", "stages.gan.dense import block"),
        ("__init__", "stages.gan import dense"),
    ):
        (root / NETWORKS / f"{name}.py").write_text(f"{chosen}\n\nfrom {imported}\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def of_extended(extended: Path) -> dict[str, list[str]]:
    return code_deps(extended)


@pytest.mark.slow
def test_what_only_a_network_imports_is_listed_for_all_stages_that_build_networks(
    of_extended: dict[str, list[str]],
) -> None:
    assert {stage for stage, deps in of_extended.items() if "stages/gan/dense.py" in deps} == BUILDERS
    for stage in BUILDERS:
        assert CHOSEN in of_extended[stage]


@pytest.mark.slow
def test_a_network_that_another_network_imports_is_listed(of_extended: dict[str, list[str]]) -> None:
    for stage in BUILDERS:
        assert f"{NETWORKS}/dense.py" in of_extended[stage]
        assert f"{NETWORKS}/deep.py" not in of_extended[stage]


@pytest.mark.slow
def test_files_with_a_leading_underscore_are_no_architectures(
    extended: Path, of_extended: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing any network loads the package's __init__.py, so that is listed; a helper that none imports is not."""
    monkeypatch.setattr(architectures, "FOLDER", extended / NETWORKS)
    names = architectures.names()
    assert {"dcgan", "deep", "dense"} < set(names)
    assert not {"_helpers", "__init__"} & set(names)
    for stage in BUILDERS:
        assert f"{NETWORKS}/__init__.py" in of_extended[stage]
        assert f"{NETWORKS}/_helpers.py" not in of_extended[stage]


@pytest.mark.slow
def test_dvc_reruns_the_stages_that_build_networks_after_a_change_of_what_a_network_imports(
    extended: Path, of_extended: dict[str, list[str]], tmp_path: Path
) -> None:
    """`dvc status` says so, of stages with the real dependencies and commands that do nothing; `mlp` is chosen."""
    shutil.copytree(extended / "stages", tmp_path / "stages")
    idle = {stage: {"cmd": f"touch {stage}", "deps": deps, "outs": [stage]} for stage, deps in of_extended.items()}
    with (tmp_path / "dvc.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({"stages": idle}, file)
    params = "download:\n  dataset: mnist\ntrain_gan:\n  network: mlp\n  auxiliary: none\n"
    (tmp_path / "params.yaml").write_text(params, encoding="utf-8")
    (tmp_path / ".dvcignore").write_text("__pycache__\n", encoding="utf-8")
    dvc(tmp_path, "init", "--no-scm", "--quiet")
    dvc(tmp_path, "repro", "--quiet")
    assert changed_stages(tmp_path) == set()
    for module, stages in (
        ("gan/dense.py", {"check"} | BUILDERS),
        ("gan/networks/mlp.py", {"check"} | BUILDERS),
        ("gan/networks/deep.py", {"check"}),
        ("metrics/kernel.py", {"check", "evaluate", "report"}),
    ):
        path = tmp_path / "stages" / module
        text = path.read_text(encoding="utf-8")
        path.write_text(f"{text}# Changed.\n", encoding="utf-8")
        assert changed_stages(tmp_path) == stages, module
        path.write_text(text, encoding="utf-8")


def dvc(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def changed_stages(root: Path) -> set[str]:
    return set(re.findall(r"^(\w+):$", dvc(root, "status"), re.MULTILINE))


# --- errors ---


@pytest.mark.slow
def test_a_module_that_cannot_be_imported_is_named_in_one_line(extended: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(extended, root)
    (root / NETWORKS / "broken.py").write_text("import nowhere\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        imported_files(root, ["stages.gan.networks.broken"])
    assert str(caught.value) == (
        "stages.gan.networks.broken cannot be imported: ModuleNotFoundError: No module named 'nowhere'"
    )


@pytest.mark.parametrize("text", ["stages: [", "stages: 3\n", "plots: []\n", "- a\n", None])
def test_a_dvc_yaml_without_stages_is_refused_in_one_line(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "dvc.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(tools.deps, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["deps"])
    with pytest.raises(SystemExit, match=r"^deps: .*dvc\.yaml.*$"):
        tools.deps.main()
