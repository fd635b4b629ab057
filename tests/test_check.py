"""The first stage: the committed params.yaml passes, and every error in it is refused in one line a key."""

import copy
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from stages import check
from stages.checking import limits
from stages.common import memory as machine
from stages.common.errors import UserError
from stages.common.params import read_params_file
from stages.datasets import registry
from stages.evaluation.registry import EVERY, METRICS
from stages.gan import architectures
from stages.gan.losses import LOSSES
from tools.profiles import params_with

ROOT = Path(__file__).parents[1]
COMMITTED = read_params_file(ROOT / "params.yaml")
LOCK = "numpy==2.4.6 ; python_version >= '3.11' \\\n    --hash=sha256:00\ntorch==9.9.9 \\\n    --hash=sha256:00\n"
MISSING = object()


def changed(key: str, value: Any, before: dict[str, Any] = COMMITTED) -> dict[str, Any]:
    """These params, the committed ones if none are given, with one key set anew, or taken out."""
    content = copy.deepcopy(before)
    *path, last = key.split(".")
    section = content
    for part in path:
        section = section[part]
    if value is MISSING:
        del section[last]
    else:
        section[last] = value
    return content


def keys(stage: str) -> str:
    return ", ".join(check.SCHEMAS[stage].model_fields)


def run(tmp_path: Path, content: Any, lock: str = LOCK) -> Path:
    """Check that content as params.yaml; the path of ok.json."""
    text = io.StringIO()
    tmp_path.mkdir(exist_ok=True)
    YAML(typ="safe", pure=True).dump(content, text)
    (tmp_path / "params.yaml").write_text(content if isinstance(content, str) else text.getvalue())
    (tmp_path / "requirements.txt").write_text(lock)
    check.run(tmp_path / "params.yaml", tmp_path / "requirements.txt", tmp_path / "data")
    return tmp_path / "data" / "check" / "ok.json"


def refusal(tmp_path: Path, content: Any, lock: str = LOCK) -> str:
    """The message without the file's own path; nothing was written."""
    with pytest.raises(UserError) as caught:
        run(tmp_path, content, lock)
    assert not (tmp_path / "data").exists()
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_the_committed_params_and_lock_pass(tmp_path: Path) -> None:
    check.run(ROOT / "params.yaml", ROOT / "requirements.txt", tmp_path)
    versions = json.loads((tmp_path / "check" / "ok.json").read_text())
    assert set(versions) == {"schema", "numpy", "torch"}
    for name in ("numpy", "torch"):
        assert f"\n{name}=={versions[name]} " in (ROOT / "requirements.txt").read_text()


def test_ok_says_the_locked_versions_and_not_the_params(tmp_path: Path) -> None:
    ok = run(tmp_path, COMMITTED)
    first = ok.read_bytes()
    assert json.loads(first) == {"schema": "ok", "numpy": "2.4.6", "torch": "9.9.9"}
    assert run(tmp_path, changed("train_gan.seed", 77)).read_bytes() == first
    assert run(tmp_path, COMMITTED, LOCK.replace("9.9.9", "9.9.10")).read_bytes() != first


def test_another_version_than_the_locked_one_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check.run(ROOT / "params.yaml", ROOT / "requirements.txt", tmp_path / "locked")
    assert capsys.readouterr().err == ""
    run(tmp_path, COMMITTED)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(r"check: torch \d+\.\d+\.\d+ is installed and .*requirements\.txt has 9\.9\.9: other bytes", line)


@pytest.mark.parametrize("stage", check.SCHEMAS)
def test_unknown_and_missing_keys_of_every_section(stage: str, tmp_path: Path) -> None:
    unknown = refusal(tmp_path, changed(f"{stage}.colour", 1))
    assert unknown == f"params.yaml: {stage}.colour: unknown key; {stage} has the keys {keys(stage)}"
    for key in COMMITTED[stage]:
        description = check.SCHEMAS[stage].model_fields[key].description
        assert description
        found = refusal(tmp_path, changed(f"{stage}.{key}", MISSING))
        assert found == f"params.yaml: {stage}.{key}: missing key; {description}"


@pytest.mark.parametrize("stage", check.SCHEMAS)
def test_missing_section_names_its_keys(stage: str, tmp_path: Path) -> None:
    found = refusal(tmp_path, changed(stage, MISSING))
    assert found == f"params.yaml: section {stage} is missing; it needs the keys {keys(stage)}"


def test_unknown_section(tmp_path: Path) -> None:
    found = refusal(tmp_path, changed("train_gans", {}))
    assert found == f"params.yaml: train_gans: unknown section; expected {', '.join([*check.SCHEMAS, 'networks'])}"


def test_a_number_as_a_name_that_is_too_long_for_a_text(tmp_path: Path) -> None:
    number = f"0x{'f' * 5000}"
    text = (ROOT / "params.yaml").read_text(encoding="utf-8") + f"? {number}\n: 1\n"
    text = text.replace("  dcgan:", f"  ? {number}\n  : 1\n  dcgan:")
    named = [line.split(": ")[1] for line in refusal(tmp_path, text).splitlines()]
    assert named == ["a number of over 16384 bits", "networks.a number of over 16384 bits"]


def test_every_value_of_every_section_is_typed(tmp_path: Path) -> None:
    """No key takes a mapping, and none takes nothing: a key of each section at once, for all are told together."""
    for nth in range(max(map(len, COMMITTED.values()))):
        keys = [f"{stage}.{list(section)[nth]}" for stage, section in COMMITTED.items() if nth < len(section)]
        for value in ({"a": 1}, None):
            content = COMMITTED
            for key in keys:
                content = changed(key, value, content)
            lines = refusal(tmp_path, content).splitlines()
            assert [key for key in keys if not any(re.match(rf"params.yaml: {key}\b", line) for line in lines)] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("normalize.limit", "many"),
        ("normalize.limit", 1000.5),
        ("normalize.limit", True),
        ("normalize.size", "28"),
        ("train_classifier.epochs", 1.5),
        ("train_classifier.lr", "abc"),
        ("train_gan.conditional", 1),
        ("train_gan.conditional", "yes"),
        ("train_gan.batch_size", "128"),
        ("train_gan.lr_g", "fast"),
        ("train_gan.betas", 0.9),
        ("train_gan.network", 3),
        ("generate.num_images", [1]),
        ("evaluate.metrics", "fd_classifier"),
        ("evaluate.neighbours", 2.5),
    ],
)
def test_wrong_type_is_told_with_what_was_found(key: str, value: Any, tmp_path: Path) -> None:
    lines = refusal(tmp_path, changed(key, value)).splitlines()
    assert len(lines) == 1
    assert re.match(rf"params.yaml: {key}: .+, found {re.escape(repr(value))}$", lines[0])


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("normalize.limit", 0, "greater than or equal to 1"),
        ("normalize.size", 30, "28, 32 or 64"),
        ("normalize.classes", [], "at least one"),
        ("normalize.classes", [3, 3], "different labels"),
        ("normalize.classes", [-1], "labels from 0 on"),
        ("train_classifier.num_features", 63, "greater than or equal to 64"),
        ("train_classifier.num_features", 257, "less than or equal to 256"),
        ("train_classifier.shift_pixels", -1, "greater than or equal to 0"),
        ("train_gan.batch_size", 0, "greater than or equal to 1"),
        ("train_gan.shards", 0, "greater than or equal to 1"),
        ("train_gan.total_kimg", 0.0, "greater than 0"),
        ("train_gan.lr_g", 0.0, "greater than 0"),
        ("train_gan.lr_d", 1.5, "less than or equal to 1"),
        ("train_gan.lr_d", float("inf"), "finite number"),
        ("train_gan.lr_d", float("nan"), "finite number"),
        ("train_gan.lr_decay", 1.1, "less than or equal to 1"),
        ("train_gan.betas", [0.9], "at least 2 items"),
        ("train_gan.betas", [0.5, 0.9, 0.99], "at most 2 items"),
        ("train_gan.lr_decay", -1.0, "greater than or equal to 0"),
        ("train_gan.ema_halflife_kimg", -1.0, "greater than or equal to 0"),
        ("train_gan.precision", "float16", "'float32' or 'bfloat16'"),
        ("train_gan.seed", -1, "greater than or equal to 0"),
        ("generate.num_images", 0, "greater than or equal to 1"),
        ("evaluate.metrics", [], "at least 1 item"),
        ("evaluate.metrics", ["recall", "recall"], "each metric once"),
        ("evaluate.neighbours", 0, "greater than or equal to 1"),
        ("evaluate.num_images", 2, "greater than or equal to 3"),
    ],
)
def test_out_of_range_is_told_with_the_range(key: str, value: Any, expected: str, tmp_path: Path) -> None:
    lines = refusal(tmp_path, changed(key, value)).splitlines()
    assert len(lines) == 1
    assert re.match(rf"params.yaml: {key}: .*{expected}.*, found {re.escape(repr(value))}$", lines[0])


def test_an_entry_of_a_list_is_named_by_its_number(tmp_path: Path) -> None:
    assert refusal(tmp_path, changed("train_gan.betas", [0.5, 1.0])) == (
        "params.yaml: train_gan.betas.1: expected less than 1, found 1.0"
    )


@pytest.mark.parametrize(
    ("key", "value", "known"),
    [
        ("download.dataset", "cifar", registry.names()),
        ("train_gan.network", "perceptron", architectures.names()),
        ("train_gan.network", "../losses", architectures.names()),
        ("train_gan.loss", "absolute", LOSSES),
        ("train_gan.device", "tpu", ["auto", "cpu", "cuda", "mps"]),
        ("evaluate.metrics", ["recall", "is"], EVERY),
    ],
)
def test_unknown_name_is_told_with_the_known_ones(key: str, value: Any, known: Any, tmp_path: Path) -> None:
    found = refusal(tmp_path, changed(key, value))
    assert found.startswith(f"params.yaml: {key}")
    assert f"expected one of {', '.join(sorted(known))}, found" in found


def test_batch_size_must_divide_into_the_shards(tmp_path: Path) -> None:
    found = refusal(tmp_path, changed("train_gan.shards", 3))
    assert found.startswith("params.yaml: train_gan: expected batch_size to be a multiple of shards (3)")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_device_that_is_not_there(tmp_path: Path) -> None:
    found = refusal(tmp_path, changed("train_gan.device", "cuda"))
    assert "train_gan.device: cuda is not available" in found
    assert "cpu" in found


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("normalize.classes", [3, 10], "normalize.classes: expected labels 0 to 9, found 10"),
        ("generate.classes", [10, 3, 11], "generate.classes: expected labels 0 to 9, found 10, 11"),
        ("normalize.limit", 9, "train_classifier.batch_size: expected at most the 9 images there are, found "),
        ("generate.num_images", 9, "baseline.batch_size: expected at most the 9 images there are, found "),
        ("generate.num_images", 1, "two_sample: too few images to learn from: expected at least 2, found 0"),
        ("normalize.classes", [3], "normalize.classes: expected at least two: what the metrics compare is learned by"),
        ("evaluate.num_images", 3, "evaluate.neighbours: expected less than the 3 images compared, found "),
        ("track.num_images", 3, "track.neighbours: expected less than the 3 images compared, found "),
        ("inspect.num_images", 4, "inspect.neighbours: expected less than the 4 images compared, found "),
    ],
)
def test_sections_that_contradict_each_other(key: str, value: Any, expected: str, tmp_path: Path) -> None:
    assert expected in refusal(tmp_path, changed(key, value))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"evaluate": {"metrics": ["modes_found"]}},
            "evaluate.metrics: expected normalize.stack above 1 for modes_found, found 1",
        ),
        (
            {"normalize": {"stack": 3}, "download": {"dataset": "emnist_balanced"}},
            "normalize.stack: expected at most 1000 modes, found 103823; see normalize.classes",
        ),
        (
            {"normalize": {"stack": 3, "num_stacks": 9}},
            "train_classifier.batch_size: expected at most the 9 images there are, found ",
        ),
        (
            {"normalize": {"stack": 3, "num_stacks": 7600}},
            "normalize.num_stacks: 7600 leave some of the 1000 modes without an image; expected at least 7601, or ",
        ),
        (
            {"normalize": {"stack": 2}, "generate": {"classes": [99, 100]}},
            "generate.classes: expected labels 0 to 99, found 100",
        ),
        (
            {"download": {"dataset": "folder", "folder": "mine"}},
            "data/images/mine: expected a folder with a folder of images for each class, found nothing",
        ),
    ],
)
def test_data_that_contradict_other_sections(changes: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert expected in refusal(tmp_path, params_with(changes))


def test_stacks_of_chosen_classes_may_be_counted(tmp_path: Path) -> None:
    normalize = {"stack": 3, "classes": [10, 11, 12]}
    changes: Any = {"normalize": normalize, "evaluate": {"metrics": ["modes_found", "reverse_kl"]}}
    assert run(tmp_path, params_with({"download": {"dataset": "emnist_balanced"}}, changes)).exists()


@pytest.mark.parametrize("name", ["GAN_PROCESSES", "GAN_CHECKPOINT_KIMG", "GAN_CUDA_GRAPH", "GAN_PROGRESS"])
def test_settings_that_a_later_stage_would_refuse(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "many")
    assert refusal(tmp_path, COMMITTED).startswith(f"{name}: expected")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_all_that_params_name_in_vain_is_told_at_once(tmp_path: Path) -> None:
    content = changed("train_gan.device", "cuda")
    content["train_gan"]["init_from"] = "earlier"
    content["track"]["num_images"] = 3
    lines = refusal(tmp_path, content).splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "track.neighbours",
        "train_gan.device",
        "train_gan.init_from",
        "train_gan.init_from",
    ]


def test_figures_of_papers_need_their_protocol(tmp_path: Path) -> None:
    found = refusal(tmp_path, changed("evaluate.metrics", ["recall", "fid"]))
    assert found.startswith("params.yaml: evaluate: expected protocol inception for fid among metrics, found")


def test_at_most_eight_figures_are_shown(tmp_path: Path) -> None:
    """Seven of evaluate and cas of usefulness, under either protocol."""
    found = refusal(tmp_path, changed("evaluate.metrics", list(METRICS)[:8]))
    assert "evaluate.metrics" in found
    assert "at most 4 items" in found


def test_stacks_take_the_memory_of_their_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice what as many grey images need is room for these, but not for three channels."""
    count = 100_000
    memory = round(2 * limits.images_bytes(count, 1, 28, 28))
    monkeypatch.setattr(machine, "memory_limit", lambda: memory)
    content = changed("inspect.num_images", count)
    assert run(tmp_path, content).exists()
    with pytest.raises(UserError, match=r"inspect\.num_images: .*memory"):
        run(tmp_path, changed("normalize.stack", 3, content))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"evaluate.neighbours": 12_000, "evaluate.num_images": 20_000},
            "evaluate.neighbours: expected less than the 10000",
        ),
        ({"track.neighbours": 15_000, "track.num_images": 20_000}, "track.neighbours: expected less than the 10000"),
        (
            {"inspect.neighbours": 15_000, "inspect.num_images": 20_000},
            "inspect.neighbours: expected less than the 10000",
        ),
        (
            {"download.dataset": "usps", "train_classifier.batch_size": 7000, "two_sample.batch_size": 20},
            "train_classifier.batch_size: expected at most the 6076 images there are, found 7000",
        ),
        (
            {"train_gan.packing": 4, "train_gan.penalties": {}, "inspect.num_images": 30, "inspect.neighbours": 2},
            "inspect.num_images: expected at least the 4 images of a class that make a pack of train_gan.packing, "
            "found 3 of 30",
        ),
    ],
)
def test_no_more_is_asked_than_the_dataset_has(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    content = COMMITTED
    for key, value in changes.items():
        content = changed(key, value, content)
    (line,) = refusal(tmp_path, content).splitlines()
    assert message in line


def test_labels_to_generate_are_those_that_are_kept(tmp_path: Path) -> None:
    content = changed("normalize.classes", [3, 8])
    assert run(tmp_path, content).exists()
    content["generate"]["classes"] = [1, 2]
    with pytest.raises(UserError, match=r"generate\.classes: expected labels 0 to 1, found 2"):
        run(tmp_path, content)


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    content = changed("evaluate.neighbours", 0) | {"colour": 1}
    content["train_gan"]["loss"] = "absolute"
    found = refusal(tmp_path, content).splitlines()
    assert [line.split(": ")[1] for line in found] == ["colour", "evaluate.neighbours", "train_gan.loss"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "params.yaml: expected sections with keys, found NoneType"),
        ("- a\n", "params.yaml: expected sections with keys, found list"),
        ("a: [1,\n", "params.yaml is not valid YAML"),
        ("a: 1\na: 2\n", "params.yaml is not valid YAML: .*duplicate key"),
    ],
)
def test_file_that_holds_no_sections(text: str, message: str, tmp_path: Path) -> None:
    assert re.match(message, refusal(tmp_path, text))


@pytest.mark.parametrize("name", ["torch", "numpy"])
@pytest.mark.parametrize("times", [0, 2])
def test_lock_must_pin_what_decides_bytes_once(name: str, times: int, tmp_path: Path) -> None:
    others = "".join(f"{other}==1.0 \\\n" for other in ("torch", "numpy") if other != name)
    found = refusal(tmp_path, COMMITTED, others + f"{name}==2.0 \\\n" * times)
    assert found == f"requirements.txt: expected one line {name}==..., found {times}; `make lock` writes the lock"
