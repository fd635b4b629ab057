"""Write the code that each stage depends on into dvc.yaml: `make deps`.

DVC does not follow imports, so each stage lists the modules that it imports. Two kinds of stage list less than they
load. `check` imports all stages: it depends on the whole folder `stages`. Registries of plug-ins (networks, datasets)
import only the one that params.yaml names, so a stage that imports such a registry depends on the chosen plug-in
through a template, and on whatever any of the plug-ins imports.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from stages.common.files import write_text

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
    Registry("stages/datasets/registry.py", "stages/datasets/sets", "download.dataset"),
)

_LIST_IMPORTS = """
import importlib, json, sys
found = {}
for group in json.loads(sys.argv[1]):
    for module in group:
        importlib.import_module(module)
    own = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "stages"}
    found[" ".join(group)] = [file for module in own.values() if (file := getattr(module, "__file__", None))]
    for name in own:
        del sys.modules[name]
print(json.dumps(found))
"""


def stage_names(root: Path) -> list[str]:
    """The stages of dvc.yaml, in its order."""
    return list(YAML(typ="safe").load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"])


def imported_files(root: Path, groups: list[list[str]]) -> dict[str, set[str]]:
    """The project's own files that each group of modules imports, by the group's names joined by spaces.

    One process serves all groups, because torch loads slowly.
    """
    command = [sys.executable, "-c", _LIST_IMPORTS, json.dumps(groups)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"deps: a module cannot be imported: {done.stderr.strip().splitlines()[-1]}")
    files: dict[str, list[str]] = json.loads(done.stdout)
    return {name: {Path(file).relative_to(root).as_posix() for file in files[name]} for name in files}


def plugins(root: Path, registry: Registry) -> list[str]:
    """The module names of all plug-ins of a registry."""
    paths = sorted((root / registry.folder).glob("[!_]*.py"))
    return [".".join(path.relative_to(root).with_suffix("").parts) for path in paths]


def code_deps(root: Path) -> dict[str, list[str]]:
    """What each stage of dvc.yaml must list under deps, of code."""
    names = [name for name in stage_names(root) if name != "check"]
    chosen = {registry: plugins(root, registry) for registry in REGISTRIES}
    groups = [[f"{CODE}.{name}"] for name in names] + [[plugin] for found in chosen.values() for plugin in found]
    imports = imported_files(root, groups)
    deps = {"check": [CODE]}
    for name in names:
        files = imports[f"{CODE}.{name}"]
        templates = []
        for registry, modules in chosen.items():
            if registry.module in files:
                templates.append(registry.template)
                files = files | shared_files(modules, imports)
        deps[name] = [*templates, *sorted(files)]
    return deps


def shared_files(modules: list[str], imports: dict[str, set[str]]) -> set[str]:
    """What any of the plug-ins imports, apart from itself."""
    own = {module: f"{module.replace('.', '/')}.py" for module in modules}
    return {file for module in modules for file in imports[module] if file != own[module]}


def with_code_deps(text: str, deps: dict[str, list[str]]) -> str:
    """The text of dvc.yaml with the code deps of each stage replaced; comments and order of everything else stay."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    yaml.preserve_quotes = True
    content: Any = yaml.load(text)
    for name, code in deps.items():
        stage = content["stages"][name]
        if "deps" not in stage:
            place = list(stage).index("params") + 1 if "params" in stage else list(stage).index("cmd") + 1
            stage.insert(place, "deps", CommentedSeq())
        _replace_code(stage["deps"], code)
    stream = StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _replace_code(listed: CommentedSeq, code: list[str]) -> None:
    """Replace the entries under stages/ in place; the blank line after the last entry belongs to no entry."""
    tail = _take_comment(listed, len(listed) - 1)
    for index in reversed(range(len(listed))):
        if str(listed[index]).split("/")[0] == CODE:
            _take_comment(listed, index)
            del listed[index]
    listed.extend(code)
    if tail is not None:
        listed.ca.items[len(listed) - 1] = tail


def _take_comment(listed: CommentedSeq, index: int) -> Any:
    return listed.ca.items.pop(index, None)


def main() -> None:
    """Write dvc.yaml, if anything in it is not as it should be."""
    path = ROOT / "dvc.yaml"
    before = path.read_text(encoding="utf-8")
    after = with_code_deps(before, code_deps(ROOT))
    if after != before:
        write_text(path, after)
    print("dvc.yaml was up to date" if after == before else "dvc.yaml is written anew")


if __name__ == "__main__":
    main()
