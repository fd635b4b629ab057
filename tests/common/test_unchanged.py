"""Edits of what a stage depends on while it runs: seen by the object itself, and by stages under a real DVC."""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.common import code_at_start
from stages.common.errors import UserError
from stages.common.unchanged import Unchanged
from tests.stage_process import Project, wait_until

PIPELINE = """
stages:
  first:
    cmd: python -m stages.first
    params:
      - first
      - options.${first.kind}
    deps:
      - data/zero/input.txt
      - data/init/${first.start}
      - stages/plugins/${first.kind}.py
      - stages/shared
  all:
    cmd: python -m stages.all
    params:
      - params.yaml:
"""
PARAMS = """
first: {kind: good, start: none, lr: 0.1}
other: {lr: 0.2}
options: {good: {width: 3}, bad: {width: 4}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("data/zero", "data/init/none", "stages/plugins", "stages/shared"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("data/zero/input.txt", "stages/plugins/good.py", "stages/plugins/bad.py", "stages/shared/a.py"):
        (tmp_path / name).write_text("1\n", encoding="utf-8")
    shutil.copy(Path(__file__).parents[2] / ".dvcignore", tmp_path)
    (tmp_path / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    return tmp_path


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert old in text
        (root / name).write_text(text.replace(old, new), encoding="utf-8")

    return edit


def add(name: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("2\n", encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (replace("params.yaml", "lr: 0.1", "lr: 0.3"), "params.yaml first"),
        (replace("params.yaml", "width: 3", "width: 5"), "params.yaml options.good"),
        (replace("data/zero/input.txt", "1", "2"), "data/zero/input.txt"),
        (replace("stages/plugins/good.py", "1", "2"), "stages/plugins/good.py"),
        (replace("stages/shared/a.py", "1", "2"), "stages/shared/a.py"),
        (add("stages/shared/b.py"), "stages/shared/b.py"),
        (add("data/init/none/generator"), "data/init/none/generator"),
        (add("data/init/none/.hidden"), "data/init/none/.hidden"),  # no pattern: DVC counts it
        (lambda root: (root / "stages/shared/a.py").unlink(), "stages/shared/a.py"),
        (replace("params.yaml", "first:", "first: ]"), "params.yaml first"),
    ],
)
def test_an_edit_of_a_cause_is_refused_and_named(edit: Callable[[Path], None], named: str, root: Path) -> None:
    unchanged = Unchanged("first", root)
    edit(root)
    with pytest.raises(UserError, match=f"{named}.* changed while the stage ran, .*run `dvc repro` again$"):
        unchanged.confirm()


@pytest.mark.parametrize(
    "edit",
    [
        lambda _: None,
        replace("params.yaml", "lr: 0.2", "lr: 0.3"),
        replace("params.yaml", "{width: 4}", "{width: 5}"),
        replace("stages/plugins/bad.py", "1", "2"),
        add("stages/shared/__pycache__/a.pyc"),
        add("data/init/none/.DS_Store"),
        add("data/init/none/Thumbs.db"),
        add("data/init/none/desktop.ini"),
        add("stages/shared/a.py~"),
        add("stages/shared/.idea/workspace.xml"),
        lambda root: os.utime(root / "data/zero/input.txt", (1, 1)),
    ],
)
def test_what_the_stage_does_not_depend_on_may_change(edit: Callable[[Path], None], root: Path) -> None:
    unchanged = Unchanged("first", root)
    edit(root)
    unchanged.confirm()


LAUGHS = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}' if n else 'x'] * 9)}]\n" for n in range(20))


@pytest.mark.parametrize(
    "lines",
    [
        f"first: {{kind: good, start: none, seed: 0x{'f' * 5000}}}\n",
        f"first: {{kind: 0x{'f' * 5000}, start: none}}\n",
        "first: &first {kind: good, start: none, lr: *first}\n",
        "first: {kind: good, start: none, lr: &a [1, *a]}\n",
        "first: {kind: good, start: none, 7: 1, 2020-01-01: 1, [1, 2]: 1}\n",
        f"{LAUGHS}first: {{kind: good, start: none, lr: *l19}}\n",
    ],
    ids=["number", "name", "mapping in itself", "list in itself", "keys", "aliases"],
)
@pytest.mark.parametrize("stage", ["first", "all"])
def test_params_that_nobody_can_write_as_json_are_compared(stage: str, lines: str, root: Path) -> None:
    """It is `check` that refuses them, by its own section, after this object is made."""
    (root / "params.yaml").write_text(lines, encoding="utf-8")
    unchanged = Unchanged(stage, root)
    unchanged.confirm()
    (root / "params.yaml").write_text(f"{lines}other: 1\n".replace("none", "some"), encoding="utf-8")
    with pytest.raises(UserError, match=r"^params.yaml.* changed"):
        unchanged.confirm()


def test_a_stage_may_depend_on_every_section(root: Path) -> None:
    unchanged = Unchanged("all", root)
    replace("params.yaml", "lr: 0.2", "lr: 0.3")(root)
    with pytest.raises(UserError, match=r"^params.yaml changed"):
        unchanged.confirm()


@pytest.mark.parametrize(
    ("entry", "edited", "named"),
    [
        ("params.yaml: [other]", "params.yaml", "params.yaml other"),
        ("more.yaml: [x]", "more.yaml", "more.yaml"),
    ],
)
def test_sections_may_be_listed_by_their_file(entry: str, edited: str, named: str, root: Path) -> None:
    (root / "more.yaml").write_text("x: 0.2\n", encoding="utf-8")
    replace("dvc.yaml", "- params.yaml:", f"- {entry}")(root)
    unchanged = Unchanged("all", root)
    replace("params.yaml", "lr: 0.1", "lr: 0.3")(root)
    unchanged.confirm()
    replace(edited, "0.2", "0.4")(root)
    with pytest.raises(UserError, match=f"^{named} changed"):
        unchanged.confirm()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def loaded(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, as if its modules were those of this process."""
    monkeypatch.setattr(code_at_start, "FOLDER", root / "stages")
    names = ("stages/plugins/good.py", "stages/plugins/bad.py", "stages/shared/a.py", "stages/shared/.idea/kept.py")
    add("stages/shared/.idea/kept.py")(root)
    monkeypatch.setattr(code_at_start, "CODE", {name: sha256(root / name) for name in names})
    return root


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (replace("stages/plugins/good.py", "1", "20"), "stages/plugins/good.py"),
        (replace("stages/shared/a.py", "1", "2"), "stages/shared/a.py"),  # as long as before
        (add("stages/shared/b.py"), "stages/shared/b.py"),
        (lambda root: (root / "stages/shared/a.py").unlink(), "stages/shared/a.py"),
        (lambda root: (root / "stages/shared/a.py").rename(root / "stages/shared/c.py"), "a.py, stages/shared/c.py"),
    ],
)
def test_code_edited_while_it_is_loaded_is_refused(edit: Callable[[Path], None], named: str, loaded: Path) -> None:
    """The seconds in which torch loads: the stage may have the module of before, and DVC would record that of after."""
    Unchanged("first", loaded)
    edit(loaded)
    with pytest.raises(UserError, match=f"{named} changed while the stage was being loaded, .*run `dvc repro` again$"):
        Unchanged("first", loaded)


@pytest.mark.parametrize(
    "edit",
    [
        replace("stages/plugins/bad.py", "1", "2"),
        replace("params.yaml", "lr: 0.1", "lr: 0.3"),  # which the stage reads later
        replace("data/zero/input.txt", "1", "2"),
        add("stages/shared/__pycache__/a.pyc"),
        lambda root: (root / "stages/shared/.idea/kept.py").unlink(),
        lambda root: os.utime(root / "stages/shared/a.py", (1, 1)),
        lambda root: shutil.copy(root / "stages/shared/a.py", root / "x").rename(root / "stages/shared/a.py"),
    ],
)
def test_what_is_loaded_later_or_not_at_all_may_change_meanwhile(edit: Callable[[Path], None], loaded: Path) -> None:
    edit(loaded)
    Unchanged("first", loaded).confirm()


def test_without_a_pipeline_there_is_nothing_to_confirm(tmp_path: Path) -> None:
    Unchanged("first", tmp_path).confirm()


RATE, HALVED = "lr_g: 0.0025", "lr_g: 0.00125"


@pytest.fixture
def project(normalized: Path, tmp_path: Path) -> Project:
    """One with the pipeline, by which a stage knows what it depends on."""
    made = Project.create(tmp_path / "project", normalized, total_kimg=1.24)
    shutil.copy(Path(__file__).parents[2] / "dvc.yaml", made.root)
    return made


def edited_while_it_trains(project: Project, processes: str) -> None:
    """Start the stage, halve a rate of params.yaml at its first checkpoint, and see it fail for that in one line."""
    params = project.root / "params.yaml"
    before = params.read_text(encoding="utf-8")
    with project.started(GAN_PROCESSES=processes, GAN_PROGRESS="0") as stage:
        wait_until(project.checkpoints)
        replace("params.yaml", RATE, HALVED)(project.root)
        _, err = stage.communicate(timeout=120)
    assert stage.returncode == 1
    assert [line for line in err.splitlines() if line.startswith("train_gan: ")] == [
        "train_gan: params.yaml train_gan changed while the stage ran, so its results are of neither state; "
        "run `dvc repro` again"
    ]
    assert "Traceback" not in err
    params.write_text(before, encoding="utf-8")


def test_params_edited_during_training_fail_the_stage_and_its_checkpoint_stays(project: Project) -> None:
    """The outs would be of the old learning rate, recorded with the new one."""
    edited_while_it_trains(project, "1")
    assert project.checkpoints()[-1].name == "step_000000030.checkpoint"


def stage_is_loading(project: Project) -> bool:
    """Whether the stage has noted its modules, and loads packages, which takes seconds: its libraries are in memory."""
    return any("libtorch" in entry.path for process in project.processes() for entry in process.memory_maps())


@pytest.mark.skipif(sys.platform != "linux", reason="looks into the process by /proc")
def test_code_edited_while_packages_load_fails_the_stage(project: Project) -> None:
    with project.started(GAN_PROCESSES="1") as stage:
        wait_until(lambda: stage_is_loading(project))
        with (project.root / "stages/gan/trainer.py").open("a", encoding="utf-8") as file:
            file.write("# edited\n")
        _, err = stage.communicate(timeout=120)
    assert stage.returncode == 1
    assert err.splitlines() == [
        "train_gan: stages/gan/trainer.py changed while the stage was being loaded, so it may have loaded parts of "
        "both states; run `dvc repro` again"
    ]
    assert project.written() == {}


@pytest.mark.slow
def test_params_edited_while_processes_start_are_refused_before_the_training(project: Project) -> None:
    """The process that started them would refuse their results at the end, though these are of one state."""
    with project.started(GAN_PROCESSES="2") as stage:
        wait_until(lambda: len(project.processes()) == 3)
        replace("params.yaml", RATE, HALVED)(project.root)
        _, err = stage.communicate(timeout=120)
    assert stage.returncode == 1
    assert err.splitlines() == [
        "train_gan: params, code or inputs changed while its processes were started; run `dvc repro` again"
    ]
    assert project.written() == {}


@pytest.mark.slow
def test_params_edited_after_the_workers_confirmed_fail_the_stage(project: Project) -> None:
    """The process that started them compares once more, when all have ended."""
    leave = "def leave() -> None:\n"
    edit = f"""{leave}    import os
    from pathlib import Path
    params = Path('params.yaml')
    if os.environ['LOCAL_RANK'] == '0':
        params.write_text(params.read_text().replace('{RATE}', '{HALVED}'))
"""
    replace("stages/gan/team.py", leave, edit)(project.root)
    done = project.run(GAN_PROCESSES="2")
    assert HALVED in (project.root / "params.yaml").read_text(encoding="utf-8")
    assert done.returncode == 1
    assert "train_gan: params.yaml train_gan changed while the stage ran" in done.stderr


@pytest.mark.slow
def test_with_the_params_put_back_the_training_ends_from_its_checkpoint(project: Project) -> None:
    edited_while_it_trains(project, "2")
    done = project.run(GAN_PROCESSES="1")
    assert done.returncode == 0, done.stderr
    assert "resuming from the checkpoint at 1.2 kimg" in done.stdout
