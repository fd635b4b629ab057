"""The protocol of papers: FID and KID beside the metrics of the classifier's features."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from stages import evaluate
from stages.common.errors import UserError
from stages.common.images import load_image_set, to_levels
from stages.evaluation import papers
from stages.evaluation.details import Details
from stages.evaluation.papers import Paper
from stages.evaluation.registry import METRICS
from stages.metrics.frechet import frechet_distance
from stages.metrics.kernel import kernel_distance
from stages.metrics.resampling import halved
from tests.evaluation_inputs import CHOSEN, SAMPLES, SHOWN, TEST, TRAIN, VALIDATION, params, results


@pytest.fixture
def upstream(evaluation_inputs: Path) -> Path:
    return evaluation_inputs


class _Pooled(torch.nn.Module):
    """In Inception's place, for its size: features of uint8 images [B, 3, H, W]."""

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (torch.nn.functional.adaptive_avg_pool2d(images.float(), 4)[:, 0].flatten(1),)


def test_the_protocol_of_papers_adds_fid_and_kid(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "load_inception", _Pooled)
    evaluate.run(params(protocol="inception", metrics=["fid", "coverage"]), upstream)
    metrics, details = results(upstream)
    assert metrics.keys() == {"fid_ratio", "coverage"}
    assert details["metrics"].keys() == METRICS.keys() | {"fid", "kid"}
    assert details["papers"].keys() == {"lucic_2018", "dpimagebench"}
    assert details["metrics"]["fid"]["ratio"] == metrics["fid_ratio"]
    test, validation, samples = (
        _Pooled()(to_levels(load_image_set(upstream / path).images[:count]).expand(-1, 3, -1, -1))[0]
        for path, count in ((TEST, 400), (VALIDATION, 150), (SAMPLES, 150))
    )
    for name, distance in (("fid", frechet_distance), ("kid", lambda *sets: kernel_distance(*sets).value)):
        entry = details["metrics"][name]
        assert entry["value"] == distance(test, samples)
        assert entry["floor"] == distance(test, validation)
        one, other = (test[rows] for rows in halved(1, 400))
        assert entry["halves"] == distance(one, other)
        assert entry["ratio_interval"][0] <= entry["ratio"]
    assert details["protocol"]["inception_sha256"].startswith("6726825d")
    assert details["protocol"]["versions"].keys() == {"torch", "numpy", "torch-fidelity"}


def test_the_protocol_of_papers_shows_no_figure_that_was_not_chosen(
    upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that `dvc exp show` stays at eight, with those of two_sample and cas."""
    monkeypatch.setattr(evaluate, "load_inception", _Pooled)
    evaluate.run(params(protocol="inception"), upstream)
    metrics, details = results(upstream)
    assert metrics.keys() == SHOWN
    assert len(CHOSEN) == evaluate.MOST_SHOWN == 4
    assert {"fid", "kid"} <= details["metrics"].keys()


def test_figures_of_papers_have_their_own_counts(
    upstream: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """More samples than the metrics compare; train and validation together; what needs more is left out with a line."""
    monkeypatch.setattr(evaluate, "load_inception", _Pooled)
    small = Paper("A paper", num_samples=180, reference={"train": 820, "validation": 200}, floor={"test": 400})
    large = Paper("Another", num_samples=181, reference={"test": 400}, floor={"validation": 200})
    monkeypatch.setattr(papers, "PROTOCOLS", {"small": small, "large": large})
    evaluate.run(params(protocol="inception"), upstream)
    details = results(upstream)[1]
    assert Details.model_validate(details).content() == details
    assert details["protocol"]["num_images"] == 150
    train, validation, test, samples = (
        _Pooled()(to_levels(load_image_set(upstream / path).images).expand(-1, 3, -1, -1))[0]
        for path in (TRAIN, VALIDATION, TEST, SAMPLES)
    )
    training = torch.cat([train, validation])
    entry = details["papers"]["small"]
    assert entry["fid"] == pytest.approx(frechet_distance(training, samples), rel=1e-6)
    assert entry["floor"] == pytest.approx(frechet_distance(training, test), rel=1e-6)
    reason = "needs 181 images of samples (generate.num_images), found 180"
    assert details["papers"]["large"] == {"undefined": reason}
    printed = capsys.readouterr()
    assert f"large {reason}: left out" in printed.err.splitlines()
    line = f"small: FID {entry['fid']:.4g}, real images {entry['floor']:.4g} (A paper)"
    assert line in printed.out.splitlines()


def test_without_inception_there_are_no_figures_of_papers(upstream: Path) -> None:
    evaluate.run(params(), upstream)
    assert "papers" not in results(upstream)[1]


def test_without_the_weights_of_inception_nothing_is_computed(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_INCEPTION_WEIGHTS", str(upstream / "absent.pth"))
    with pytest.raises(UserError, match="GAN_INCEPTION_WEIGHTS"):
        evaluate.run(params(protocol="inception"), upstream)
    assert not (upstream / "evaluate").exists()
