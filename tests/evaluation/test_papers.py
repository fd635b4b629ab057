"""FID by the protocols of papers: which images are compared, against scipy's own square root of matrices."""

import numpy as np
import pytest
import scipy  # loads scipy.linalg when it is used
import torch
from torch import Tensor

from stages.common import draws
from stages.common.images import ImageSet
from stages.common.records import Undefined
from stages.evaluation import papers
from stages.evaluation.papers import PROTOCOLS, Paper, PaperEntry, images_needed, left_out, paper_entries

SIZES = {"samples": 70, "train": 50, "validation": 30, "test": 40}
SMALL = Paper("A paper", num_samples=60, reference={"train": 50, "validation": 20}, floor={"test": 40})


def sets(**sizes: int) -> dict[str, ImageSet]:
    return {
        name: ImageSet(torch.zeros(size, 1, 4, 4), torch.zeros(size, dtype=torch.int64), ["a"])
        for name, size in (SIZES | sizes).items()
    }


def features() -> dict[str, Tensor]:
    """Other normal distributions for each set."""
    return {
        name: draws.normal(0, name, 0, (size, 3)) * (1 + place) + place
        for place, (name, size) in enumerate(SIZES.items())
    }


def fid(reference: Tensor, candidate: Tensor) -> float:
    """As pytorch-fid writes it: |m - n|^2 + tr(A + B - 2 (A B)^(1/2))."""
    one, other = (rows.double().numpy() for rows in (reference, candidate))
    covariances = [np.cov(rows, rowvar=False) for rows in (one, other)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    shift = one.mean(axis=0) - other.mean(axis=0)
    return float(shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root))


def test_first_images_of_each_set_are_compared_with_all_of_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papers, "PROTOCOLS", {"small": SMALL})
    rows = features()
    entry = paper_entries(sets(), rows)["small"]
    assert isinstance(entry, PaperEntry)
    reference = torch.cat([rows["train"], rows["validation"][:20]])
    assert entry.fid == pytest.approx(fid(reference, rows["samples"][:60]), rel=1e-6)
    assert entry.floor == pytest.approx(fid(reference, rows["test"]), rel=1e-6)
    assert entry.fid != pytest.approx(entry.floor, rel=0.1)
    content = entry.content()
    assert content["num_images"] == 60
    assert {each["split"]: each["num_images"] for each in content["reference"]} == SMALL.reference
    assert {each["split"]: each["num_images"] for each in content["floor_of"]} == SMALL.floor


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ({"samples": 59}, "needs 60 images of samples (generate.num_images), found 59"),
        ({"train": 49}, "needs 50 images of train (normalize.limit), found 49"),
        ({"validation": 19}, "needs 20 images of validation, found 19"),
        ({"test": 39}, "needs 40 images of test, found 39"),
    ],
)
def test_a_protocol_that_needs_more_images_is_left_out_and_says_so(
    sizes: dict[str, int], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(papers, "PROTOCOLS", {"small": SMALL})
    images = sets(**sizes)
    assert paper_entries(images, {}) == {"small": Undefined(undefined=reason)}
    assert list(left_out(images)) == [f"small {reason}: left out"]
    assert set(images_needed(images).values()) == {0}  # nothing is embedded for it


def test_no_more_images_are_embedded_than_protocols_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    more = Paper("Another", num_samples=10, reference={"test": 30}, floor={"validation": 25})
    never = Paper("Yet another", num_samples=1000, reference={"test": 30}, floor={"validation": 30})
    monkeypatch.setattr(papers, "PROTOCOLS", {"small": SMALL, "more": more, "never": never})
    assert images_needed(sets()) == {"samples": 60, "train": 50, "validation": 25, "test": 40}


def test_the_protocols_are_those_of_the_papers() -> None:
    """Lucic et al. 2018, section 5: FID of 10,000 samples and the 10,000 test digits. DPImageBench: of the 60,000."""
    lucic, dpimagebench = PROTOCOLS["lucic_2018"], PROTOCOLS["dpimagebench"]
    assert (lucic.num_samples, lucic.reference) == (10_000, {"test": 10_000})
    assert dpimagebench.num_samples == sum(dpimagebench.reference.values()) == 60_000
    assert dpimagebench.floor == {"test": 10_000}
    for paper in PROTOCOLS.values():
        assert not paper.reference.keys() & paper.floor.keys()
