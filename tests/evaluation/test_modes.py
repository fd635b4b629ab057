"""An evaluation of stacks: modes and their divergence against counts by hand, and what is left out for others."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from stages import evaluate, normalize
from stages.classifier.model import Classifier
from stages.common.errors import UserError
from stages.common.files import write_tensors
from stages.common.images import NO_LABEL, ImageSet, load_image_set, save_image_set, to_levels
from stages.common.params import validate_section
from stages.metrics.modes import uniform_reverse_kl
from tests.evaluation_inputs import CLASSIFIER, SAMPLES, TEST, params
from tools.profiles import params_with

CHOSEN = ["modes_found", "reverse_kl"]


@pytest.fixture(scope="module")
def inputs(normalized: Path, trained_classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What evaluate reads, of stacks; as samples serve validation stacks whose red digit is always the same."""
    data = tmp_path_factory.mktemp("stacks") / "data"
    data.mkdir()
    (data / "download").symlink_to(normalized / "download")
    changes = {"stack": 3, "num_stacks": 400}
    normalize.run(validate_section(params_with({"normalize": changes}), "normalize", normalize.Params), data)
    meta = {"arguments": trained_classifier.arguments, "classes": list("0123456789")}
    write_tensors(data / CLASSIFIER, trained_classifier.state_dict(), meta)
    images = load_image_set(data / "normalize" / "validation.safetensors").images.clone()
    images[:, 0] = images[0, 0]
    labels = torch.full((len(images),), NO_LABEL)
    classes = load_image_set(data / TEST).classes
    save_image_set(data / SAMPLES, to_levels(images), labels, classes)
    return data


@pytest.fixture(scope="module")
def written(inputs: Path) -> tuple[dict[str, float], dict[str, Any]]:
    evaluate.run(params(metrics=CHOSEN, num_images=400), inputs)
    folder = inputs / "evaluate"
    return json.loads((folder / "metrics.json").read_text()), json.loads((folder / "details.json").read_text())


def modes_by_hand(classifier: Classifier, images: ImageSet) -> torch.Tensor:
    with torch.no_grad():
        red, green, blue = (classifier.eval()(images.images[:, [channel]]).argmax(1) for channel in range(3))
    return 100 * red + 10 * green + blue


def test_modes_are_those_that_the_classifier_sees(
    inputs: Path, written: tuple[dict[str, float], dict[str, Any]], trained_classifier: Classifier
) -> None:
    metrics, details = written
    for name, path in (("value", SAMPLES), ("floor", Path("normalize/validation.safetensors"))):
        modes = modes_by_hand(trained_classifier, load_image_set(inputs / path))
        shares = torch.bincount(modes, minlength=1000).double() / len(modes)
        expected = sum(share * torch.log(1000 * share) for share in shares if share > 0)
        assert details["metrics"]["modes_found"][name] == len(modes.unique())
        assert details["metrics"]["reverse_kl"][name] == pytest.approx(float(expected), rel=1e-9)
    assert metrics["modes_found"] == details["metrics"]["modes_found"]["value"]
    assert metrics["reverse_kl_ratio"] == details["metrics"]["reverse_kl"]["ratio"] > 1.2


def test_a_digit_that_never_changes_loses_nine_of_ten_modes(
    written: tuple[dict[str, float], dict[str, Any]],
) -> None:
    metrics, details = written
    assert metrics["modes_found"] <= 100
    modes = details["modes"]
    assert (modes["num_modes"], modes["num_images"]) == (1000, 400)
    assert len(modes["lost"]) == 1000 - metrics["modes_found"]
    assert modes["uniform_reverse_kl"] == uniform_reverse_kl(1000, 400)
    assert details["classes"] == []
    channels = {entry["class"]: entry["recognised"] for entry in modes["channels"]}
    assert len(channels) == 30
    assert sorted(channels[f"{digit}, channel 1"] for digit in range(10)) == [0] * 9 + [400]
    assert sum(channels[f"{digit}, channel 3"] for digit in range(10)) == 400
    words = f"not good: {metrics['modes_found']:.0f} of 1000 modes, reverse KL "
    assert words in details["in_plain_words"] or "no judgement" in details["in_plain_words"]


def test_images_that_are_no_stacks_have_no_modes(evaluation_inputs: Path) -> None:
    with pytest.raises(UserError, match=r"^evaluate\.metrics: modes_found and reverse_kl count the modes of stacks"):
        evaluate.run(params(metrics=CHOSEN), evaluation_inputs)
    evaluate.run(params(), evaluation_inputs)
    details = json.loads((evaluation_inputs / "evaluate" / "details.json").read_text())
    assert "modes" not in details
    assert not details["metrics"].keys() & set(CHOSEN)
