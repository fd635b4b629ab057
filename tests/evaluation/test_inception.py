"""The Inception network, with weights of the tests' own making: found, verified, loaded as tensors alone."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from torch_fidelity import feature_extractor_inceptionv3 as fidelity

from stages.common.errors import UserError
from stages.datasets.sources import base, mirror
from stages.evaluation import inception
from tests.datasets.test_hostile_mirrors import CHUNKED, HEAD, MEBIBYTE, bounded_memory, endless
from tests.web_server import Answer, WebServer, Wire

NAME = "weights.pth"
CONTENT = bytes(range(256)) * 20


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


def test_a_file_beyond_any_weights_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(1 << 40)
    monkeypatch.setenv("GAN_INCEPTION_WEIGHTS", str(tmp_path / NAME))
    message = "SHA-256 6726825d.*, found a file that has 1099511627776 bytes, more than the 104857600 allowed"
    with bounded_memory(), pytest.raises(UserError, match=message):
        inception.load_inception()


@pytest.fixture
def source(web_server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebServer:
    """The server that torch-fidelity's address names; the right weights are CONTENT, torch's cache is in tmp_path."""
    monkeypatch.delenv("GAN_INCEPTION_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(fidelity, "URL_INCEPTION_V3", f"{web_server.url}{NAME}")
    monkeypatch.setattr(inception, "WEIGHTS_SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(mirror, "BACKOFF_S", 0.0)
    monkeypatch.setenv("GAN_PROGRESS", "0")
    return web_server


def kept(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_weights_are_downloaded_once_into_torchs_cache(source: WebServer, tmp_path: Path) -> None:
    source.answers[NAME] = [CONTENT]
    for _ in range(2):
        with pytest.raises(UserError, match="the tensors of the Inception network and nothing else"):
            inception.load_inception()
    assert kept(tmp_path) == {f"checkpoints/{NAME}": CONTENT}
    assert source.asked.count(NAME) == 1


HOSTILE: dict[str, tuple[Answer, str]] = {
    "stalls": (Wire(lambda: [HEAD + b"Content-Length: 5120\r\n\r\nabc", b""], 60), "took longer than 0.4 seconds"),
    "no HTTP": (Wire(lambda: [b"HTTPX nonsense\r\n\r\n"]), r"cannot be reached \(BadStatusLine\)"),
    "chunk size": (Wire(lambda: [CHUNKED, b"zz\r\n", CONTENT]), "its answer breaks off"),
    "too long": (
        Wire(lambda: [HEAD + b"Content-Length: 200000000\r\n\r\n"]),
        "its answer has 200000000 bytes, more than the 1310720 that the file can have",
    ),
    "without end": (Wire(endless(HEAD + b"\r\n", MEBIBYTE)), "its answer is longer than the file can be"),
    "another file": (CONTENT[1:], "expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64} in 5119 bytes"),
}


@pytest.mark.parametrize(("answer", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_server_of_weights_is_one_line(
    answer: Answer, reason: str, source: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In time and within bounded memory, and nothing is kept."""
    monkeypatch.setattr(base, "SOURCE_TIMEOUT_S", 0.4 if "took" in reason else 60.0)
    monkeypatch.setattr(inception, "MOST_BYTES", 1 << 18)
    source.answers = {NAME: [answer], f"{NAME}.gz": [answer]}
    with bounded_memory(), pytest.raises(UserError, match=rf"weights\.pth did not give it \({reason}") as caught:
        inception.load_inception()
    assert len(str(caught.value).splitlines()) == 1
    assert kept(tmp_path) == {}


def test_a_cache_that_cannot_be_written_is_one_line(source: WebServer, tmp_path: Path) -> None:
    source.answers[NAME] = [CONTENT]
    (tmp_path / "checkpoints").write_bytes(b"")
    message = r"needs weights\.pth, and .*checkpoints cannot keep it \(.+\); name another folder in TORCH_HOME"
    with pytest.raises(UserError, match=message):
        inception.load_inception()


def test_without_weights_and_network_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAN_INCEPTION_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(fidelity, "URL_INCEPTION_V3", "http://127.0.0.1:9/weights.pth")
    monkeypatch.setattr(mirror, "BACKOFF_S", 0.0)
    with pytest.raises(UserError, match=r"weights\.pth did not give it .*name the file in GAN_INCEPTION_WEIGHTS"):
        inception.load_inception()
