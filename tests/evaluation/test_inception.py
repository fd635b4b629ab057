"""The Inception network, with weights of the tests' own making: found, verified, loaded as tensors alone."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from torch_fidelity import feature_extractor_inceptionv3 as fidelity

from stages.common.errors import UserError
from stages.evaluation import inception


class _NoWeightsYetError(Exception):
    """Ends torch-fidelity's constructor where it would load weights."""


def untrained() -> fidelity.FeatureExtractorInceptionV3:
    """The network as its constructor has built it before it loads weights, with weights of this test's own."""

    def load(*_: object, **__: object) -> None:
        raise _NoWeightsYetError

    network = fidelity.FeatureExtractorInceptionV3.__new__(fidelity.FeatureExtractorInceptionV3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "load", load)
        with pytest.raises(_NoWeightsYetError):
            network.__init__("inception", [inception.FEATURES], feature_extractor_weights_path="none")
    state = network.state_dict()
    for index, tensor in enumerate(state.values()):
        if tensor.is_floating_point():
            tensor.copy_(torch.linspace(0.01, 0.02, tensor.numel()).add(index / 1e4).view_as(tensor))
    return network.eval()


@pytest.fixture(scope="module")
def network() -> fidelity.FeatureExtractorInceptionV3:
    return untrained()


@pytest.fixture(scope="module")
def weights(network: fidelity.FeatureExtractorInceptionV3, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


def name_weights(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the file as a user does, and take its own checksum for the expected one."""
    monkeypatch.setenv("GAN_INCEPTION_WEIGHTS", str(path))
    monkeypatch.setattr(inception, "WEIGHTS_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())


def test_named_weights_are_those_in_use_and_grey_is_shown_as_rgb(
    network: fidelity.FeatureExtractorInceptionV3, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_weights(weights, monkeypatch)
    monkeypatch.setattr(inception, "BLOCK_SIZE", 2)
    levels = torch.arange(2 * 28 * 28).remainder(256).to(torch.uint8).view(2, 1, 28, 28)
    actual = inception.inception_features(inception.load_inception(), levels.float() / 127.5 - 1)
    with torch.no_grad():
        expected = network(levels.repeat(1, 3, 1, 1))[0]
    assert actual.shape == (2, 2048)
    assert_close(actual, expected)


def test_other_weights_are_refused(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_INCEPTION_WEIGHTS", str(weights))
    with pytest.raises(UserError, match=r"expected the weights of SHA-256 6726825d.*, found [0-9a-f]{64}"):
        inception.load_inception()


def test_a_missing_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_INCEPTION_WEIGHTS", str(tmp_path / "absent.pth"))
    with pytest.raises(UserError, match=r"GAN_INCEPTION_WEIGHTS: expected a file of weights, found none at .*absent"):
        inception.load_inception()


class _Payload:
    """What a pickle runs when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemError('unpickled')",))


@pytest.mark.parametrize("content", [{"weight": _Payload()}, {"weight": torch.zeros(1)}], ids=["code", "another net"])
def test_nothing_but_its_tensors_is_loaded(
    content: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(content, tmp_path / "weights.pth")
    name_weights(tmp_path / "weights.pth", monkeypatch)
    with pytest.raises(UserError, match="the tensors of the Inception network and nothing else"):
        inception.load_inception()


def test_without_weights_and_network_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAN_INCEPTION_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(fidelity, "URL_INCEPTION_V3", "http://127.0.0.1:9/weights.pth")
    with pytest.raises(UserError, match=r"weights\.pth did not give it .*name the file in GAN_INCEPTION_WEIGHTS"):
        inception.load_inception()
