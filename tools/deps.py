"""Write the code dependencies of every stage into dvc.yaml: `make deps`.

DVC does not follow imports, so each stage lists the modules that it imports. There are two special cases:

- `check` imports all stages, so it depends on the whole folder `stages`.
- A registry of plug-ins (networks, auxiliary objectives, datasets) imports only the plug-in that params.yaml names. A
  stage that imports a registry depends on the chosen plug-in through a template, and on every module that any of the
  plug-ins imports.

A module that reads files beside it, such as a template, names their paths in ASSETS; they are dependencies like itself.

Everything else in dvc.yaml stays as it is, comments and order included.
"""

import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.tokens import CommentToken

from stages.common.errors import UserError
from stages.common.files import write_text
from stages.common.params import read_params_file
from stages.common.runtime import report_errors
from tools.failures import take_no_arguments
from tools.process_group import output_of_python

ROOT = Path(__file__).parents[1]
CODE = "stages"


@dataclass(frozen=True)
class Registry:
    """A module that imports one plug-in of a folder by the name that a key of params.yaml holds."""

    module: str
    folder: str
    key: str

    @property
    def template(self) -> str:
        """The dependency on the chosen plug-in, as DVC writes it."""
        return f"{self.folder}/${{{self.key}}}.py"


REGISTRIES = (
    Registry("stages/gan/architectures.py", "stages/gan/networks", "train_gan.network"),
    Registry("stages/gan/auxiliaries.py", "stages/gan/auxiliary", "train_gan.auxiliary"),
    Registry("stages/datasets/registry.py", "stages/datasets/sets", "download.dataset"),
)

_PRINT_IMPORTS = """
import importlib, json, sys
imports = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        sys.exit(f"{name} cannot be imported: {type(error).__name__}: {error}")
    project = {key: module for key, module in sys.modules.items() if key.partition(".")[0] == "stages"}
    own = [(getattr(module, "__file__", None), *getattr(module, "ASSETS", ())) for module in project.values()]
    imports[name] = [str(file) for files in own for file in files if file]
    for key in project:
        del sys.modules[key]
print(json.dumps(imports))
"""
"""Imports each module in turn and forgets the project's modules after each. One process, because torch loads slowly."""


def stage_names(root: Path) -> list[str]:
    """The stages of dvc.yaml, in its order. Raises UserError if it is not valid."""
    stages = read_params_file(root / "dvc.yaml").get("stages")
    if not isinstance(stages, dict):
        raise UserError(f"dvc.yaml: expected stages, found {type(stages).__name__}")
    return list(stages)


def imported_files(root: Path, modules: list[str]) -> dict[str, set[str]]:
    """The project's own files that importing each module loads, and those that these read; relative to root.

    Raises UserError, naming the module, if one cannot be imported.
    """
    result = output_of_python(root, "-c", _PRINT_IMPORTS, *modules)
    if result.returncode:
        raise UserError(result.stderr.strip().splitlines()[-1])
    imports: dict[str, list[str]] = json.loads(result.stdout.splitlines()[-1])
    return {module: {_relative(file, root) for file in files} for module, files in imports.items()}


def plugins(root: Path, registry: Registry) -> list[str]:
    """The module names of all plug-ins of a registry: files whose names begin with `_` are none."""
    paths = sorted((root / registry.folder).glob("[!_]*.py"))
    return [".".join(path.relative_to(root).with_suffix("").parts) for path in paths]


def code_deps(root: Path) -> dict[str, list[str]]:
    """The code dependencies of every stage of dvc.yaml. Raises UserError if a stage or plug-in cannot be imported."""
    stages = [name for name in stage_names(root) if name != "check"]
    modules = {registry: plugins(root, registry) for registry in REGISTRIES}
    every_module = [f"{CODE}.{stage}" for stage in stages] + [name for names in modules.values() for name in names]
    imports = imported_files(root, every_module)
    deps = {"check": [CODE]}
    for stage in stages:
        files = imports[f"{CODE}.{stage}"]
        used = [registry for registry in REGISTRIES if registry.module in files]
        shared = [_imported_by_plugins(modules[registry], imports) for registry in used]
        deps[stage] = [*(registry.template for registry in used), *sorted(files.union(*shared))]
    return deps


def _imported_by_plugins(modules: list[str], imports: dict[str, set[str]]) -> set[str]:
    """Every file that any of the plug-ins imports, apart from its own."""
    return {file for module in modules for file in imports[module] if file != f"{module.replace('.', '/')}.py"}


def with_code_deps(text: str, deps: dict[str, list[str]]) -> str:
    """The text of dvc.yaml with the code dependencies of each stage replaced; all else stays, comments included."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    yaml.preserve_quotes = True
    content: Any = yaml.load(text)
    for name, code in deps.items():
        _replace_code(_listed_deps(content["stages"][name]), code)
    stream = StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _listed_deps(stage: CommentedMap) -> CommentedSeq:
    """The stage's list of dependencies; a stage without one gets an empty one, after params or cmd."""
    if not stage.get("deps"):
        stage.pop("deps", None)
        stage.insert(list(stage).index("params" if "params" in stage else "cmd") + 1, "deps", CommentedSeq())
    return stage["deps"]


def _replace_code(listed: CommentedSeq, code: list[str]) -> None:
    """Replace the entries under stages/ in place. Each entry that stays keeps its comment."""
    comments = {str(entry): listed.ca.items.pop(i) for i, entry in enumerate(listed) if i in listed.ca.items}
    after_list = _split_off_following_lines(comments.get(str(listed[-1]))) if listed else None
    entries = [entry for entry in listed if str(entry).split("/")[0] != CODE] + code
    listed.clear()
    listed.extend(entries)
    for index, entry in enumerate(entries):
        if comment := comments.get(str(entry)):
            listed.ca.items[index] = comment
    if after_list is not None:
        last = listed.ca.items.setdefault(len(entries) - 1, [CommentToken("", after_list.start_mark), None])
        last[0].value = last[0].value.rstrip("\n") + after_list.value


def _split_off_following_lines(comment: list[CommentToken] | None) -> CommentToken | None:
    """Take from the last entry's comment the lines below it: they belong to what follows the list.

    ruamel keeps both, the comment beside an entry and the lines up to the next one, in one token.
    """
    if comment is None:
        return None
    token = comment[0]
    beside, _, below = token.value.partition("\n")
    token.value = f"{beside}\n"
    return CommentToken(f"\n{below}", token.start_mark)


def _relative(file: str, root: Path) -> str:
    return Path(file).relative_to(root.resolve()).as_posix()


def main() -> None:
    """Update dvc.yaml."""
    take_no_arguments("tools.deps", __doc__)
    path = ROOT / "dvc.yaml"
    with report_errors("deps"):
        before = path.read_text(encoding="utf-8")
        after = with_code_deps(before, code_deps(ROOT))
        if after != before:
            write_text(path, after)
        print("dvc.yaml was up to date" if after == before else "dvc.yaml was updated")


if __name__ == "__main__":
    main()
