"""A generator as an ONNX model: written by torch's exporter, checked by onnxruntime against torch."""

import json
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stages.common.errors import UserError
from stages.gan.architectures import CODES
from stages.gan.sampler import Sampler

OPSET = 18
"""What torch's exporter writes without a conversion, and onnxruntime of 2023 and later reads."""
TOLERANCE = 1e-4
NUM_CHECKED = 1000


@dataclass(frozen=True)
class Interface:
    """What goes into the model and what comes out of it.

    num_labels: how many values y has, 0 if the generator reads none; are_codes: y is a code that the generator learned
    a meaning of, not one of the classes; classes: of the images that it learned from, whether it is given them or not.
    """

    z_dim: int
    num_labels: int
    are_codes: bool
    classes: list[str]
    image_shape: list[int]

    @property
    def has_classes(self) -> bool:
        """Whether a class can be asked for."""
        return self.num_labels > 0 and not self.are_codes

    @property
    def inputs(self) -> dict[str, str]:
        """What each input is, by name, in their order."""
        z = {"z": f"float32 [batch, {self.z_dim}], drawn from the standard normal distribution"}
        if not self.num_labels:
            return z
        meaning = "the code that is asked for" if self.are_codes else "the class that is asked for"
        return z | {"y": f"int64 [batch], 0 to {self.num_labels - 1}: {meaning}"}

    @property
    def output(self) -> str:
        """What images is."""
        return f"float32 [batch, {', '.join(map(str, self.image_shape))}] in [-1, 1], -1 is black"

    def metadata(self, meta: dict[str, Any], generator_sha256: str) -> dict[str, str]:
        """What the model's file says of itself: texts; lists and mappings as JSON."""
        values = {
            "z_dim": self.z_dim,
            "num_codes" if self.are_codes else "num_classes": self.num_labels,
            **({"classes": self.classes} if self.has_classes else {}),
            "image_shape": self.image_shape,
            "output_range": [-1, 1],
            "network": meta["network"],
            "arguments": meta["arguments"],
        }
        texts = {
            key: value if isinstance(value, str) else json.dumps(value, sort_keys=True) for key, value in values.items()
        }
        return {**texts, **self.inputs, "images": self.output, "generator_sha256": generator_sha256}


def interface(sampler: Sampler, meta: dict[str, Any], classes: list[str]) -> Interface:
    """Of a generator that was read from a file with that description."""
    return Interface(
        z_dim=sampler.z_dim,
        num_labels=meta["arguments"]["num_classes"],
        are_codes=bool(meta.get(CODES)),
        classes=classes,
        image_shape=list(meta["arguments"]["image_shape"]),
    )


class _WithoutLabels(nn.Module):
    """A generator that reads no labels, as a function of z alone."""

    def __init__(self, G: nn.Module) -> None:
        super().__init__()
        self.G = G

    def forward(self, z: Tensor) -> Tensor:
        """z float32 [B, z_dim]; images [B, C, H, W]."""
        return self.G(z, z.new_zeros(z.shape[0], dtype=torch.int64))


def onnx_bytes(sampler: Sampler, shape: Interface, metadata: dict[str, str]) -> bytes:
    """The generator as ONNX, any number of images at once; the same bytes for the same generator and versions.

    Inputs and output have the names of Interface. Raises UserError if torch's exporter cannot write the network.
    """
    import onnx_ir  # noqa: PLC0415 (of the extra `export`, and a second)
    from torch.onnx import OnnxExporterError  # noqa: PLC0415

    model = sampler.G if shape.num_labels else _WithoutLabels(sampler.G).eval()
    arguments = (torch.zeros(2, shape.z_dim), torch.zeros(2, dtype=torch.int64))[: len(shape.inputs)]
    batch = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names of dimensions that are equal, and of torch's own parts
        try:
            program = torch.onnx.export(
                model,
                arguments,
                input_names=list(shape.inputs),
                output_names=["images"],
                dynamic_shapes=tuple({0: batch} for _ in arguments),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        except OnnxExporterError as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"torch cannot write this generator as ONNX ({reason})") from None
    assert program is not None
    return _stripped(program.model, metadata, onnx_ir)


def _stripped(model: Any, metadata: dict[str, str], onnx_ir: Any) -> bytes:
    """The model's bytes with that metadata, and without the exporter's own, which names files of this machine."""
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    for value in (*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    model.graph.metadata_props.clear()
    model.metadata_props.clear()
    model.metadata_props.update(sorted(metadata.items()))
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.doc_string = metadata[value.name]
    return onnx_ir.to_proto(model).SerializeToString(deterministic=True)


def largest_difference(content: bytes, sampler: Sampler, shape: Interface) -> float:
    """Of onnxruntime's pixels from torch's, over NUM_CHECKED samples at once and one by itself.

    Raises UserError if it is more than TOLERANCE.
    """
    import onnxruntime  # noqa: PLC0415 (see onnx_bytes)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    z, y = sampler.latents("z", NUM_CHECKED), torch.arange(NUM_CHECKED) % max(1, shape.num_labels)
    expected, largest = sampler.images(z, y), 0.0
    for count in (NUM_CHECKED, 1):
        feed = {name: values[:count].numpy() for name, values in zip(shape.inputs, (z, y), strict=False)}
        (images,) = session.run(["images"], feed)
        largest = max(largest, (torch.from_numpy(images) - expected[:count]).abs().max().item())
    if not largest <= TOLERANCE:
        raise UserError(f"the ONNX model's pixels differ from torch's by {largest:g}, expected at most {TOLERANCE:g}")
    return largest
