"""The user's own settings of Python and of the libraries change neither what runs nor its bytes."""

import ast
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from ruamel.yaml import YAML

from stages import check, train_classifier
from stages.common.params import PARAMS_FILE, load_params, read_params_file
from stages.common.user_settings import KEPT, NAMESPACES, OVERRIDDEN, RECORDED, follow_no_user
from stages.evaluation.drawing import Figure, new_figure

ROOT = Path(__file__).parents[1]
COMMANDS = {
    name: stage["cmd"]
    for name, stage in YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].items()
}
HOSTILE = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONSAFEPATH": "1",
    "PYTHONHOME": "/nowhere",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONHASHSEED": "5",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "cp1252",
    "PYTHONUTF8": "0",
    "LC_ALL": "C",
    "COLUMNS": "none",
    "TMPDIR": "/nowhere",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "NVIDIA_TF32_OVERRIDE": "1",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1",
    "TORCH_LOGS": "nonsense",
    "MKL_THREADING_LAYER": "INTEL",
    "MKL_DOMAIN_NUM_THREADS": "MKL_BLAS=2",
    "OMP_NUM_THREADS": "2",
    "OMP_DYNAMIC": "true",
    "TQDM_MININTERVAL": "soon",
    "TQDM_DISABLE": "yes",
    "TORCH_DEVICE_BACKEND_AUTOLOAD": "1",
    "TORCH_DISTRIBUTED_DEBUG": "nonsense",
    "PYTORCH_JIT": "0",
    "OMP_SCHEDULE": "nonsense",
    "KMP_BLOCKTIME": "nonsense",
    "MKL_VERBOSE": "1",
    "ONEDNN_VERBOSE": "2",
    "ONEDNN_CPU_ISA_HINTS": "PREFER_YMM",
    "CUBLAS_WORKSPACE_CONFIG": ":0:0",
    "LRU_CACHE_CAPACITY": "none",
    "NPY_PROMOTION_STATE": "legacy",
    "PILLOW_ALIGNMENT": "3",
    "GLOO_DEVICE_TRANSPORT": "TLS",
    "GOMP_SPINCOUNT": "nonsense",
    "NO_COLOR": "1",
    "FORCE_COLOR": "1",
    "TZ": "Nowhere/Nothing",
    "LANG": "xx_YY.nonsense",
    "XDG_CACHE_HOME": "/dev/null/x",
    "XDG_CONFIG_HOME": "/dev/null/x",
    "SOURCE_DATE_EPOCH": "yesterday",
}
STYLE = "font.size: 30\nsavefig.dpi: 50\nimage.cmap: gray\n"


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, str]:
    """Settings that break or change a run, with a module in PYTHONPATH that hides one of Python's own."""
    for name in ("modules", "style"):
        (tmp_path / name).mkdir()
    (tmp_path / "modules" / "safetensors.py").write_text("raise SystemExit('another safetensors')", encoding="utf-8")
    (tmp_path / "style" / "matplotlibrc").write_text(STYLE, encoding="utf-8")
    return HOSTILE | {"PYTHONPATH": str(tmp_path / "modules"), "MPLCONFIGDIR": str(tmp_path / "style")}


@pytest.fixture
def project(tmp_path: Path, normalized: Path) -> Path:
    """A folder with the code, the digits, and params of a short training."""
    root = tmp_path / "project"
    (root / "data" / "init" / "none").mkdir(parents=True)
    (root / "stages").symlink_to(ROOT / "stages")
    (root / "requirements.txt").symlink_to(ROOT / "requirements.txt")
    shutil.copytree(normalized / "normalize", root / "data" / "normalize")
    content = read_params_file(ROOT / "params.yaml")
    content["train_classifier"] |= {"epochs": 1, "width": 8}
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(content, file)
    return root


def run(project: Path, stage: str, variables: dict[str, str]) -> dict[str, bytes]:
    """The files of a stage that is started as DVC starts it, without HOME too."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    inherited = {name: value for name, value in os.environ.items() if name not in {*HOSTILE, "HOME"}}
    done = subprocess.run(
        COMMANDS[stage].split(),
        cwd=project,
        env=inherited | variables | {"PATH": path},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return {path.name: path.read_bytes() for path in (project / "data" / stage).iterdir()}


@pytest.mark.parametrize("stage", ["check", pytest.param("train_classifier", marks=pytest.mark.slow)])
def test_no_setting_of_the_user_changes_a_byte(
    stage: str, project: Path, hostile: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of a process with those settings are those of this one, which has none of them."""
    changed = run(project, stage, hostile)
    shutil.rmtree(project / "data" / stage)
    monkeypatch.chdir(project)
    if stage == "check":
        check.run(PARAMS_FILE, check.LOCK, Path("data"))
    else:
        train_classifier.run(load_params(stage, train_classifier.Params), Path("data"))
    plain = {path.name: path.read_bytes() for path in (project / "data" / stage).iterdir()}
    assert plain
    assert changed == plain


def output(code: str, variables: dict[str, str]) -> bytes:
    return subprocess.run(
        [sys.executable, "-E", "-c", code], cwd=ROOT, env=variables, capture_output=True, check=True
    ).stdout


DRAW = """
import sys; sys.path.insert(0, {root!r}); import stages
from io import BytesIO
from stages.evaluation.drawing import new_figure
figure, picture = new_figure(2, 2), BytesIO()
axes = figure.subplots()
axes.imshow([[1, 2], [3, 4]])
axes.set_title("title")
figure.savefig(picture, format="png")
sys.stdout.buffer.write(picture.getvalue())
"""
FONT = "font.family: serif\nfont.size: 30\nsavefig.dpi: 50\nimage.cmap: gray\n"
STYLES: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "in the working folder": ("matplotlibrc", FONT.encode(), {}),
    "that is not text": ("matplotlibrc", b"\xff\xfe\x00font", {}),
    "of MATPLOTLIBRC": ("other", FONT.encode(), {"MATPLOTLIBRC": "other"}),
    "of MPLCONFIGDIR": ("style/matplotlibrc", FONT.encode(), {"MPLCONFIGDIR": "style"}),
    "of XDG_CONFIG_HOME": ("style/matplotlib/matplotlibrc", FONT.encode(), {"XDG_CONFIG_HOME": "style"}),
    "that cannot be written beside": ("file", b"", {"MPLCONFIGDIR": "file", "HOME": "/nowhere"}),
}
"""A file in the working folder and variables."""


def picture(folder: Path, variables: dict[str, str]) -> bytes:
    """What DRAW draws in that working folder. Raises AssertionError if it says anything on stderr."""
    command = [sys.executable, "-E", "-c", DRAW.format(root=str(ROOT))]
    done = subprocess.run(
        command, cwd=folder, env={"PATH": os.environ["PATH"]} | variables, capture_output=True, check=False
    )
    assert done.stderr == b""
    assert done.stdout.startswith(b"\x89PNG")
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("name", "content", "variables"), STYLES.values(), ids=STYLES.keys())
def test_a_style_changes_no_picture(name: str, content: bytes, variables: dict[str, str], tmp_path: Path) -> None:
    plain = picture(tmp_path, {})
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(content)
    own = {variable: str(tmp_path / value) for variable, value in variables.items()}
    assert picture(tmp_path, own) == plain


@pytest.mark.slow
def test_a_stale_list_of_fonts_changes_no_picture(tmp_path: Path) -> None:
    """Matplotlib keeps a list of the system's fonts; one that names another file for DejaVu Sans is not followed."""
    plain = picture(tmp_path, {"MPLCONFIGDIR": str(tmp_path)})
    (fonts,) = tmp_path.glob("fontlist-*.json")
    text = fonts.read_text(encoding="utf-8")
    assert "DejaVuSans.ttf" in text
    for stale in (text.replace("DejaVuSans.ttf", "STIXGeneral.ttf"), "[]", "{"):
        fonts.write_text(stale, encoding="utf-8")
        assert picture(tmp_path, {"MPLCONFIGDIR": str(tmp_path)}) == plain


def test_no_setting_of_a_library_changes_a_picture() -> None:
    """Such as an import may set in this process."""

    def drawn() -> bytes:
        content, figure = io.BytesIO(), new_figure(2, 2)
        figure.subplots().set_title("title")
        figure.savefig(content, format="png")
        return content.getvalue()

    plain = drawn()
    with mpl.rc_context({"font.family": "serif", "savefig.dpi": 50, "axes.facecolor": "red"}):
        figure = Figure(figsize=(2, 2), layout="constrained")
        figure.subplots().set_title("title")
        figure.savefig(content := io.BytesIO(), format="png")
        assert content.getvalue() != plain  # they would have been followed
        assert drawn() == plain


def test_what_the_terminal_cannot_show_is_replaced() -> None:
    code = "from stages.common.runtime import report_errors\nwith report_errors('test'): print('é あ')"
    command = [sys.executable, "-c", code]
    for encoding, expected in (("cp1252", "é ?".encode("cp1252")), ("ascii", b"? ?"), ("utf-8", "é あ".encode())):
        environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
        assert done.stdout.strip() == expected


def test_processes_that_a_stage_starts_follow_no_setting_either() -> None:
    code = (
        "import sys; sys.path.insert(0, '.'); import stages, os; from stages.common.user_settings import OVERRIDDEN; "
        "print([n for n in os.environ if n not in OVERRIDDEN], {n: os.environ[n] for n in OVERRIDDEN} == OVERRIDDEN)"
    )
    harmless = ["LC_ALL", "COLUMNS", "TMPDIR", "NO_COLOR", "FORCE_COLOR", "TZ", "LANG"]
    harmless += ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "SOURCE_DATE_EPOCH"]
    expected = f"{[name for name in HOSTILE if name in harmless]} True"
    assert output(code, HOSTILE).decode().strip() == expected


def test_what_is_recorded_or_needed_stays() -> None:
    """Where a setting may change bytes but the user needs it, it is part of environment.json."""
    kept = {name: "1" for name in KEPT} | {"TORCH_NCCL_BLOCKING_WAIT": "1", "CUDA_VISIBLE_DEVICES": "2"}
    del kept["NPY_ENABLE_CPU_FEATURES"]  # with which numpy does not load where another one is set
    code = "import sys; sys.path.insert(0, '.'); import stages.common.user_settings, os; print(sorted(os.environ))"
    names = ast.literal_eval(output(code, kept | {"NPY_ENABLE_CPU_FEATURES": "1"}).decode())
    assert sorted({*kept, *OVERRIDDEN}) == [name for name in names if name != "LC_CTYPE"]  # of Python's own
    assert set(RECORDED) <= set(KEPT)


@pytest.mark.parametrize("prefix", NAMESPACES)
def test_a_variable_that_a_new_version_brings_has_no_influence_either(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{prefix}FAST_AND_LOOSE"
    monkeypatch.setenv(name, "1")
    with monkeypatch.context() as patch:
        for other in list(os.environ):
            patch.setenv(other, os.environ[other])  # so that all of them come back
        follow_no_user()
        assert name not in os.environ
