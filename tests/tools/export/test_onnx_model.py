"""A generator as ONNX gives torch's images, for every architecture, and nothing of the machine that wrote it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch

from stages.common.errors import UserError
from stages.gan import architectures
from stages.gan.sampler import Sampler
from tests.gan.test_architectures import CASES
from tools.export.onnx_model import Interface, interface, largest_difference, onnx_bytes

ROOT = Path(__file__).parents[3]
Z_DIM = 6
FAST = [("dcgan", 10)]
"""The default; each takes seconds."""
OTHERS = [(case, num_classes) for case in CASES for num_classes in (0, 10) if (case, num_classes) not in FAST]


def small(case: str, num_classes: int, **others: Any) -> tuple[Sampler, Interface, dict[str, str]]:
    name, options = CASES[case]
    arguments = {"image_shape": [1, 28, 28], "num_classes": num_classes, "z_dim": Z_DIM, **options}
    G, _D = architectures.build_players(name, arguments, seed=1)
    meta = {"network": name, "arguments": arguments} | others
    sampler = Sampler(G, Z_DIM, num_classes, 1, "a file")
    shape = interface(sampler, meta, [f"class {label}" for label in range(10)])
    return sampler, shape, shape.metadata(meta, "abc")


@pytest.mark.parametrize(
    ("case", "num_classes"), [*FAST, *(pytest.param(*other, marks=pytest.mark.slow) for other in OTHERS)]
)
def test_the_model_gives_torchs_images_for_any_batch(case: str, num_classes: int) -> None:
    sampler, shape, metadata = small(case, num_classes)
    content = onnx_bytes(sampler, shape, metadata)
    assert largest_difference(content, sampler, shape) < 1e-5
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model)
    assert [value.name for value in model.graph.input] == (["z", "y"] if num_classes else ["z"])
    z, y = sampler.latents("other", 3), torch.tensor([7, 0, 7])
    session = onnxruntime.InferenceSession(content)
    (images,) = session.run(["images"], {"z": z.numpy()} | ({"y": y.numpy()} if num_classes else {}))
    torch.testing.assert_close(torch.from_numpy(images), sampler.G(z, y), atol=1e-5, rtol=0)
    assert {entry.key: entry.value for entry in model.metadata_props} == metadata
    for part in (b"site-packages", str(ROOT).encode(), b"stack_trace"):
        assert part not in content


def test_the_metadata_say_what_goes_in_and_what_comes_out() -> None:
    _, shape, metadata = small("dcgan", 10)
    assert metadata["z"] == "float32 [batch, 6], drawn from the standard normal distribution"
    assert metadata["y"] == "int64 [batch], 0 to 9: the class that is asked for"
    assert metadata["images"] == "float32 [batch, 1, 28, 28] in [-1, 1], -1 is black"
    assert (metadata["z_dim"], metadata["num_classes"], metadata["output_range"]) == ("6", "10", "[-1, 1]")
    assert json.loads(metadata["classes"]) == shape.classes
    assert json.loads(metadata["arguments"])["width"] == 4
    assert metadata["generator_sha256"] == "abc"


def test_codes_are_not_called_classes() -> None:
    _, shape, metadata = small("dcgan", 10, **{architectures.CODES: True})
    assert shape.are_codes
    assert "the code that is asked for" in metadata["y"]
    assert metadata["num_codes"] == "10"
    assert not {"classes", "num_classes"} & set(metadata)


def test_a_model_of_another_generator_is_refused() -> None:
    sampler, shape, metadata = small("mlp", 0)
    content = onnx_bytes(sampler, shape, metadata)
    with torch.no_grad():
        next(sampler.G.parameters()).add_(0.1)
    with pytest.raises(UserError, match=r"^the ONNX model's pixels differ from torch's by 0\.\d+, expected at most"):
        largest_difference(content, sampler, shape)


@pytest.mark.slow
def test_the_same_generator_gives_the_same_bytes_in_another_process() -> None:
    sampler, shape, metadata = small("dcgan", 10)
    here = hashlib.sha256(onnx_bytes(sampler, shape, metadata)).hexdigest()
    program = (
        "import hashlib, stages; from tests.tools.export.test_onnx_model import onnx_bytes, small;"
        "print(hashlib.sha256(onnx_bytes(*small('dcgan', 10))).hexdigest())"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == here
