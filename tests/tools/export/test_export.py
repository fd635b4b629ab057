"""`make export`: the folder, its own example, and one line for what cannot be exported."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from safetensors import safe_open

from stages.common.errors import UserError
from stages.common.files import write_bytes, write_tensors
from stages.gan import architectures
from tools.export.__main__ import export, read_generator

ROOT = Path(__file__).parents[3]
ARGUMENTS = {"image_shape": [1, 28, 28], "num_classes": 10, "z_dim": 6, "width": 4}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that has drawn from another run's generator, in data/init/mine."""
    G, _D = architectures.build_players("dcgan", ARGUMENTS, seed=1)
    meta = {"network": "dcgan", "arguments": ARGUMENTS, "classes": list("0123456789")}
    write_tensors(tmp_path / "data/init/mine/generator.safetensors", G.state_dict(), meta)
    shutil.copy(ROOT / "LICENSE", tmp_path)
    return tmp_path


def test_the_folder_holds_the_model_and_its_own_example_draws(project: Path) -> None:
    folder = project / "export"
    folder.mkdir()
    (folder / "samples.png").write_bytes(b"of an earlier generator")
    path, stored = read_generator(project, "init/mine")
    assert export(project, path, folder, stored) < 1e-5
    assert {file.name for file in folder.iterdir()} == {
        "README.md",
        "LICENSE",
        "generator.onnx",
        "generator.safetensors",
    }
    assert (folder / "generator.safetensors").read_bytes() == path.read_bytes()
    with safe_open(folder / "generator.safetensors", "pt") as file:
        assert json.loads(file.metadata()["meta"])["network"] == "dcgan"
    (example,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    subprocess.run([sys.executable, "-c", example], cwd=folder, check=True)
    with Image.open(folder / "images.png") as picture:
        assert picture.size == (280, 28)


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "dvc.yaml"])
def test_a_folder_of_something_else_is_left_alone(name: str, project: Path) -> None:
    folder = project / "mine"
    folder.mkdir()
    (folder / name).write_text("of my own", encoding="utf-8")
    path, stored = read_generator(project, "init/mine")
    with pytest.raises(UserError, match=rf"^FOLDER: .* found .*mine, which holds a {name} of something else") as caught:
        export(project, path, folder, stored)
    assert "\n" not in str(caught.value)
    assert [file.name for file in folder.iterdir()] == [name]
    assert (folder / name).read_text(encoding="utf-8") == "of my own"


def test_an_export_that_fails_leaves_no_card_beside_another_model(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project / "export"
    folder.mkdir()
    for name in ("generator.onnx", "README.md", "samples.png"):
        (folder / name).write_bytes(b"of an earlier generator")
    path, stored = read_generator(project, "init/mine")

    def fail(path: Path, content: bytes) -> None:
        if path.name == "generator.safetensors":
            raise OSError("the disk is full")
        write_bytes(path, content)

    monkeypatch.setattr("tools.export.__main__.write_bytes", fail)
    with pytest.raises(OSError, match="full"):
        export(project, path, folder, stored)
    assert [file.name for file in folder.iterdir()] == ["generator.onnx"]


def test_a_file_elsewhere_can_be_named(project: Path) -> None:
    path, (tensors, meta) = read_generator(project, str(project / "data/init/mine/generator.safetensors"))
    assert path.is_file()
    assert tensors
    assert meta["network"] == "dcgan"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train_gan", r"data/train_gan/generator\.safetensors is missing; .*`dvc repro train_gan` makes it again"),
        ("init/other", r"data/init/other/generator\.safetensors is missing; "),
        ("nowhere.safetensors", r"nowhere\.safetensors is missing; "),
        ("mine", r"GENERATOR: expected train_gan, or init/ and the name of a folder in data/init, or the path"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(name: str, message: str, project: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_generator(project, name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "perceptron"}, r"expected an architecture of .*, found 'perceptron'"),
        ({"arguments": ARGUMENTS | {"width": 5}}, r"float32 \[\d+"),
    ],
)
def test_a_network_that_cannot_be_rebuilt_is_refused_in_one_line(
    changes: dict[str, object], message: str, project: Path
) -> None:
    path, (tensors, meta) = read_generator(project, "init/mine")
    with pytest.raises(UserError, match=f"holds no generator that this code can rebuild .*{message}") as caught:
        export(project, path, project / "export", (tensors, meta | changes))
    assert "\n" not in str(caught.value)
    assert not (project / "export").exists()


@pytest.mark.slow
def test_a_damaged_file_is_refused_in_one_line(project: Path) -> None:
    path = project / "data/init/mine/generator.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    command = [sys.executable, "-m", "tools.export", "--generator", "init/mine"]
    done = subprocess.run(
        command, cwd=project, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert re.fullmatch(r"export: data/init/mine/generator\.safetensors: expected a generator .*\n", done.stderr)
