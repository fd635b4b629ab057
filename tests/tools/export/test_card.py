"""The model card says of a generator what the run's files say of that very file, and nothing of another one."""

import hashlib
import json
import re
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.common.errors import UserError
from stages.gan import architectures
from tools.export.card import LICENCES, Card
from tools.export.lineage import Lineage, lineage_of
from tools.export.onnx_model import Interface

ROOT = Path(__file__).parents[3]
META: dict[str, Any] = {"network": "dcgan", "arguments": {"num_classes": 10}}
INTERFACE = Interface(64, 10, False, list("0123456789"), [1, 28, 28])
GENERATOR = b"a generator"
JUDGED = ("evaluate", "usefulness", "two_sample")


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    """The stages of the committed dvc.lock that matter here, without their code."""
    stages = YAML(typ="safe").load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    kept = {name: stages[name] for name in ("download", "normalize", "train_gan", "generate", *JUDGED)}
    for stage in kept.values():
        stage["deps"] = [entry for entry in stage["deps"] if entry["path"].startswith("data/")]
    return {"schema": "2.0", "stages": kept}


def set_hash(lock: dict[str, Any], stage: str, kind: str, path: str, content: bytes) -> None:
    (entry,) = [entry for entry in lock["stages"][stage][kind] if entry["path"] == path]
    entry["md5"] = hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def project(tmp_path: Path, committed: dict[str, Any]) -> Path:
    """The files in Git of the committed run, as if its generator were GENERATOR."""
    for name in ("params.yaml", "requirements.txt", *(f"data/{stage}/details.json" for stage in JUDGED)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    lock = deepcopy(committed)
    set_hash(lock, "train_gan", "outs", "data/train_gan/generator.safetensors", GENERATOR)
    set_hash(lock, "generate", "deps", "data/train_gan/generator.safetensors", GENERATOR)
    for stage in JUDGED:  # whatever is committed: the chain is what is tested here
        path = f"data/{stage}/details.json"
        set_hash(lock, stage, "outs", path, (tmp_path / path).read_bytes())
    write_lock(tmp_path, lock)
    (tmp_path / "data/train_gan").mkdir()
    environment = {"generator_sha256": hashlib.sha256(GENERATOR).hexdigest(), "device": "cpu"}
    (tmp_path / "data/train_gan/environment.json").write_text(json.dumps(environment), encoding="utf-8")
    return tmp_path


def write_lock(project: Path, lock: dict[str, Any]) -> None:
    (project / "dvc.lock").write_text(json.dumps(lock), encoding="utf-8")  # which YAML is, too


def read_lock(project: Path) -> dict[str, Any]:
    return YAML(typ="safe").load((project / "dvc.lock").read_text(encoding="utf-8"))


def card_of(lineage: Lineage, shape: Interface = INTERFACE) -> str:
    return Card(shape, META, lineage, {"generator.onnx": "ab" * 32}, (), None).text()


def header_of(card: str) -> dict[str, Any]:
    beginning, header, _rest = card.split("---\n", 2)
    assert beginning == ""
    return YAML(typ="safe").load(header)


def test_figures_training_and_data_are_those_of_the_run(project: Path) -> None:
    lineage = lineage_of(project, GENERATOR)
    card, details = card_of(lineage), json.loads((project / "data/evaluate/details.json").read_text(encoding="utf-8"))
    for name, entry in details["metrics"].items():
        assert f"| `{name}`: " in card
        if entry["value"] is not None:
            assert f" {entry['value']:.4g} " in card
    assert details["in_plain_words"] in card
    assert "`cas`" in card
    assert "`two_sample_thresholded`" in card
    assert "roughly what a perfect generator would score. Of cas, the floor learned from training images; of " in card
    assert '"loss": "non_saturating"' in card
    assert {"download", "normalize", "train_gan"} < set(lineage.training)
    assert '"limit": 50000' in card.partition("All settings that decided it:")[2]
    assert '"device": "cpu"' in card
    assert "from 50,000 training images" in card
    assert hashlib.sha256((project / "dvc.lock").read_bytes()).hexdigest() in card


def test_the_header_is_what_model_hubs_read(project: Path) -> None:
    lineage = lineage_of(project, GENERATOR)
    header = header_of(card_of(lineage))
    assert header["license"] == "mit"
    assert header["library_name"] == "onnx"
    assert header["datasets"] == ["ylecun/mnist"]
    assert {"gan", "dcgan", "mnist"} <= set(header["tags"])
    (model,) = header["model-index"]
    (result,) = model["results"]
    assert lineage.details is not None
    figures = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert figures["fd_classifier"] == lineage.details.metrics["fd_classifier"].value
    assert set(result) == {"task", "dataset", "metrics"}


def test_of_another_generator_the_run_says_nothing(project: Path) -> None:
    lineage = lineage_of(project, b"another generator")
    assert lineage == Lineage()
    card = card_of(lineage)
    assert "Not known" in card
    assert "has not evaluated this generator" in card
    assert "model-index" not in header_of(card)


def test_of_a_generator_that_only_drew_the_samples_no_origin_is_said(project: Path) -> None:
    """As with generate.generator: init/mine. Its figures are those of its samples, whatever it learned from."""
    lock = read_lock(project)
    set_hash(lock, "train_gan", "outs", "data/train_gan/generator.safetensors", b"the one that this run trained")
    write_lock(project, lock)
    lineage = lineage_of(project, GENERATOR)
    assert lineage.details is not None
    assert (lineage.dataset, lineage.compared_with, lineage.training) == (None, "mnist", {})
    card = card_of(lineage)
    header = header_of(card)
    assert "datasets" not in header
    assert "mnist" not in header["tags"]
    (model,) = header["model-index"]
    assert model["name"] == "dcgan"
    assert model["results"][0]["dataset"]["name"] == "mnist"
    assert "test images of the dataset `mnist`" in card
    assert card.count("Not known: the run from whose files the card was written did not train this generator") == 2
    assert "licence of the images that it learned from is not known" in card
    for claim in ("The generator learned from", "never saw", "The dataset `mnist`"):
        assert claim not in card


@pytest.mark.parametrize("stage", ["normalize", "download"])
def test_images_that_were_made_again_after_the_training_are_not_its_origin(stage: str, project: Path) -> None:
    lock = read_lock(project)
    name = {"normalize": "data/normalize/train.safetensors", "download": "data/download/train-images-idx3-ubyte"}
    set_hash(lock, stage, "outs", name[stage], b"other images")
    write_lock(project, lock)
    lineage = lineage_of(project, GENERATOR)
    assert lineage.training
    assert not {"download", "normalize"} & set(lineage.training)
    assert "Its settings, without those of its images:" in card_of(lineage)
    assert (lineage.dataset, lineage.compared_with) == (None, None)
    assert "has run again and made other images" in card_of(lineage)


def test_params_and_packages_are_listed_only_if_they_are_those_of_the_run(project: Path) -> None:
    lock = read_lock(project)
    packages = (project / "requirements.txt").read_bytes()
    lock["stages"]["check"] = {"cmd": "it", "deps": [{"path": "requirements.txt", "md5": ""}]}
    set_hash(lock, "check", "deps", "requirements.txt", packages)
    write_lock(project, lock)
    assert set(lineage_of(project, GENERATOR).hashes) == {"dvc.lock", "params.yaml", "requirements.txt"}
    path = project / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("loss: non_saturating", "loss: hinge"), encoding="utf-8")
    (project / "requirements.txt").write_bytes(packages + b"\n")
    assert set(lineage_of(project, GENERATOR).hashes) == {"dvc.lock"}


@pytest.mark.parametrize("stage", JUDGED)
def test_a_judgement_of_other_samples_is_left_out(stage: str, project: Path) -> None:
    lock = read_lock(project)
    set_hash(lock, stage, "deps", "data/generate/samples.safetensors", b"earlier samples")
    write_lock(project, lock)
    lineage = lineage_of(project, GENERATOR)
    known = {"evaluate": lineage.details, "usefulness": lineage.usefulness, "two_sample": lineage.judged}
    assert [name for name, record in known.items() if record is None] == [stage]


def test_details_that_were_changed_are_left_out(project: Path) -> None:
    path = project / "data/evaluate/details.json"
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert lineage_of(project, GENERATOR).details is None


def test_an_environment_of_another_run_is_left_out(project: Path) -> None:
    (project / "data/train_gan/environment.json").write_text('{"generator_sha256": "0"}', encoding="utf-8")
    assert lineage_of(project, GENERATOR).environment is None


def test_samples_without_labels_have_no_cas(project: Path) -> None:
    path, lock = project / "data/usefulness/details.json", read_lock(project)
    path.write_text('{"undefined": "no class was asked for"}', encoding="utf-8")
    set_hash(lock, "usefulness", "outs", "data/usefulness/details.json", path.read_bytes())
    write_lock(project, lock)
    assert lineage_of(project, GENERATOR).usefulness is None


@pytest.mark.parametrize("content", ["stages: [", "stages: 3", "- a", "stages: {generate: {deps: [{path: 1}]}}"])
def test_a_lock_that_cannot_be_read_is_refused_in_one_line(content: str, project: Path) -> None:
    (project / "dvc.lock").write_text(content, encoding="utf-8")
    with pytest.raises(
        UserError, match=r"^dvc\.lock cannot be read \(.*\); `git checkout dvc\.lock` .+ `dvc repro`$"
    ) as caught:
        lineage_of(project, GENERATOR)
    assert "\n" not in str(caught.value)


def test_truncated_samples_are_named(project: Path) -> None:
    lock = read_lock(project)
    lock["stages"]["generate"]["params"]["params.yaml"]["generate"]["pull"] = 0.2
    write_lock(project, lock)
    assert "drawn with `pull: 0.2`" in card_of(lineage_of(project, GENERATOR))


def test_an_unconditional_generator_is_shown_without_labels() -> None:
    card = card_of(Lineage(), Interface(64, 0, False, list("0123456789"), [3, 32, 32]))
    assert "No class can be asked for" in card
    assert "y = " not in card
    assert "RGB images of 32 x 32" in card


@pytest.mark.parametrize("are_codes", [False, True])
def test_codes_are_not_called_classes(are_codes: bool) -> None:
    names = ["coat", "boot"]
    card = card_of(Lineage(picture=b"PNG"), Interface(64, 2, are_codes, names, [1, 28, 28]))
    assert ("No class can be asked for" in card) == are_codes
    assert (f"Classes, in the order of their labels: {', '.join(names)}." in card) == (not are_codes)
    assert f"![Samples: a column for each {'code' if are_codes else 'class'}](samples.png)" in card
    assert "y = np.arange(10) % 2\n" in card


def test_licences_are_those_of_the_documentation() -> None:
    page = (ROOT / "docs/datasets.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")
    ]
    stated = {row[0]: row[5] for row in rows if row[5] not in ("licence", "none stated", "yours")}
    assert stated == LICENCES


def test_every_architecture_has_a_name_that_a_tag_may_have() -> None:
    assert all(re.fullmatch(r"\w+", name) for name in architectures.names())
