"""The model card: README.md with the header that model hubs read, written from the files of the run."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from tools.export.figures import entries, figures_text
from tools.export.lineage import Lineage
from tools.export.onnx_model import NUM_CHECKED, TOLERANCE, Interface
from tools.tables import markdown

LICENCES = {
    "fashion_mnist": "MIT",
    "kmnist": "CC BY-SA 4.0",
    "emnist_balanced": "public domain",
    "emnist_letters": "public domain",
    "emnist_digits": "public domain",
    "emnist_mnist": "public domain",
    "emnist_byclass": "public domain",
    "emnist_bymerge": "public domain",
    "qmnist": "BSD-3-Clause",
}
"""Of the datasets that state one, as docs/datasets.md has them; a test holds the two to each other."""
ON_THE_HUB = {"mnist": "ylecun/mnist", "fashion_mnist": "zalando-datasets/fashion_mnist"}
"""The names that datasets have on the Hugging Face hub."""
FILES = {
    "generator.onnx": "the generator, for onnxruntime and other programs that read ONNX",
    "generator.safetensors": "the same with the name and arguments of its network, as the project reads it",
}
UNKNOWN = "Not known: the run from whose files the card was written did not train this generator."
NO_LONGER_KNOWN = "Not known: after the training, `download` or `normalize` has run again and made other images."
USE = """```python
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("generator.onnx")
z = np.random.default_rng(1).standard_normal((10, {z_dim}), dtype=np.float32)
{labels}images = session.run(["images"], {feed})[0]  # float32 [10, {shape}] in [-1, 1]
levels = ((images + 1) * 127.5).round().astype(np.uint8)
Image.fromarray({picture}).save("images.png")
```"""


@dataclass(frozen=True)
class Card:
    """What the card is written from. hashes: SHA-256 of the folder's files by name; remarks: the training's own."""

    interface: Interface
    meta: dict[str, Any]
    lineage: Lineage
    hashes: dict[str, str]
    remarks: tuple[str, ...]
    commit: str | None

    @property
    def name(self) -> str:
        """What the model is called."""
        return f"{self.meta['network']}-{self.lineage.dataset}" if self.lineage.dataset else str(self.meta["network"])

    def text(self) -> str:
        """The whole page."""
        return "\n\n".join([self._header(), *self._parts()]) + "\n"

    def _header(self) -> str:
        file = io.StringIO()
        yaml = YAML()
        yaml.indent(mapping=2, sequence=4, offset=2)
        yaml.dump(self._header_content(), file)
        return f"---\n{file.getvalue()}---"

    def _header_content(self) -> dict[str, Any]:
        dataset, results = self.lineage.dataset, list(self._results())
        loss = self.lineage.training.get("train_gan", {}).get("loss")
        tags = [
            "gan",
            "image-generation",
            self.meta["network"],
            *([dataset] if dataset else []),
            *([loss] if loss else []),
        ]
        content: dict[str, Any] = {
            "license": "mit",
            "library_name": "onnx",
            "pipeline_tag": "unconditional-image-generation",
            "tags": [*tags, "dvc", "reproducible-gan"],
        }
        if dataset in ON_THE_HUB:
            content["datasets"] = [ON_THE_HUB[dataset]]
        if results and (compared := self.lineage.compared_with):
            task = {"type": "unconditional-image-generation", "name": "Image generation"}
            about = {"type": ON_THE_HUB.get(compared, compared), "name": compared, "split": "test"}
            content["model-index"] = [
                {"name": self.name, "results": [{"task": task, "dataset": about, "metrics": results}]}
            ]
        return content

    def _results(self) -> Iterator[dict[str, Any]]:
        for name, _meaning, entry in entries(self.lineage):
            if entry.value is not None:
                yield {"type": name, "name": name, "value": entry.value}

    def _parts(self) -> Iterator[str]:
        yield f"# {self.name}"
        if self.lineage.picture:
            label = "code" if self.interface.are_codes else "class"
            columns = f": a column for each {label}" if self.interface.num_labels else ""
            yield f"![Samples{columns}](samples.png)"
        yield self._what()
        yield "## How to draw\n\n" + self._usage() + "\n\n" + self._interface_table()
        yield "## Data\n\n" + self._data()
        yield "## Training\n\n" + self._training()
        yield "## Figures\n\n" + figures_text(self.lineage)
        yield "## Limits\n\n" + self._limits()
        yield "## Files\n\n" + self._files()
        yield "## Licence\n\n" + self._licence()

    def _what(self) -> str:
        kind = "class-conditional" if self.interface.has_classes else "unconditional"
        channels, height, width = self.interface.image_shape
        colours = {1: "grey", 3: "RGB"}.get(channels, f"{channels}-channel")
        text = (
            f"The generator of a {kind} generative adversarial network (GAN): the network `{self.meta['network']}`, "
            f"{colours} images of {height} x {width} pixels, latents of {self.interface.z_dim} numbers."
        )
        words = self.lineage.details.in_plain_words if self.lineage.details else None
        return text + (f" In the words of the pipeline that judged it: *{words}*." if words else "")

    def _usage(self) -> str:
        labels, feed = "", '{"z": z}'
        if self.interface.num_labels:
            labels, feed = f"y = np.arange(10) % {self.interface.num_labels}\n", '{"z": z, "y": y}'
        shape = self.interface.image_shape
        picture = {1: "np.hstack(levels[:, 0])", 3: "np.hstack(levels.transpose(0, 2, 3, 1))"}
        return USE.format(
            z_dim=self.interface.z_dim,
            labels=labels,
            feed=feed,
            shape=", ".join(map(str, shape)),
            picture=picture.get(shape[0], "np.hstack(levels[:, 0])"),
        )

    def _interface_table(self) -> str:
        rows = [[f"`{name}`", "input", what] for name, what in self.interface.inputs.items()]
        rows.append(["`images`", "output", self.interface.output])
        names = self.interface.classes
        listed = f"\n\nClasses, in the order of their labels: {', '.join(names)}." if len(names) <= 100 else ""
        checked = (
            f"onnxruntime's pixels differ from torch's by at most {TOLERANCE:g}, seen on {NUM_CHECKED:,} samples. "
            "The batch may have any size. The file's metadata repeat this table."
        )
        return f"{markdown(['name', '', 'what'], rows)}\n\n{checked}" + (listed if self.interface.has_classes else "")

    def _data(self) -> str:
        dataset = self.lineage.dataset
        if not dataset:
            return NO_LONGER_KNOWN if self.lineage.training else UNKNOWN
        details = self.lineage.details if self.lineage.compared_with == dataset else None
        counts = (
            f" The generator learned from {details.protocol.training.num_images:,} training images, and is compared "
            f"with {details.protocol.reference.num_images:,} test images that it never saw."
            if details
            else ""
        )
        return f"The dataset `{dataset}`, scaled to [-1, 1].{counts}"

    def _training(self) -> str:
        if not self.lineage.training:
            return UNKNOWN
        sections = {name: dict(values) for name, values in sorted(self.lineage.training.items())}
        which = "All settings that decided it" if self.lineage.dataset else "Its settings, without those of its images"
        parts = [f"{which}:", f"```json\n{json.dumps(sections, indent=2, sort_keys=True)}\n```"]
        if self.lineage.environment:
            environment = json.dumps(self.lineage.environment, indent=2, sort_keys=True)
            parts += ["The machine, as far as it can change a result:", f"```json\n{environment}\n```"]
        if self.remarks:
            parts += ["The training says of itself:", "\n".join(f"- {remark}" for remark in self.remarks)]
        if self.commit:
            again = "`dvc repro` there makes this file again, with the same bytes on the same kind of processor"
            parts.append(f"It is of commit {self.commit} of the project: {again}.")
        return "\n\n".join(parts)

    def _limits(self) -> str:
        details = self.lineage.details
        copies = "Whether samples copy training images is judged as a whole (`c_t`, `near_training`), not for each."
        if not self.lineage.training:
            copies = "Whether it copies what it learned from is not known: `c_t` and `near_training` are of others."
        lines = [
            "It draws what its training images show, and nothing else.",
            "Its figures are of one training with one seed, on the features of one classifier: compare them with those "
            "of the same protocol alone, never with FID of papers.",
            copies,
        ]
        if not self.interface.has_classes:
            lines.insert(1, "No class can be asked for.")
        if details is None:
            lines[-2:] = ["Nothing is known of its quality."]
        return "\n".join(f"- {line}" for line in lines)

    def _files(self) -> str:
        rows = [[f"`{name}`", FILES.get(name, "samples"), f"`{value}`"] for name, value in sorted(self.hashes.items())]
        rows += [
            [f"`{name}` of the project", "what the run was", f"`{value}`"]
            for name, value in self.lineage.hashes.items()
        ]
        return markdown(["file", "what", "SHA-256"], rows)

    def _licence(self) -> str:
        text = "MIT, for the code and these weights (`LICENSE`)."
        dataset = self.lineage.dataset
        if not dataset:
            return f"{text} The licence of the images that it learned from is not known."
        if dataset == "folder":
            return f"{text} The training images were the user's own."
        return f"{text} The dataset `{dataset}`: {LICENCES.get(dataset, 'none stated by its source')}."
