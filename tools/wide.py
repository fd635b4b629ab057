"""Memory and speed of generate and evaluate by the number of samples: `make wide SAMPLES="100000 10000000"`.

Both stages run as they are, on the files of the run in data/, but write into a temporary folder, which needs as much
disk as the samples take. With --small they run small networks that were never trained in place of the run's own: their
samples are noise, but as many bytes. The table stands in docs/wide.md, where --enter writes it.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stages.classifier.model import Classifier
from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.common.files import read_tensors, write_tensors
from stages.common.initialise import initialise
from stages.gan import architectures
from tools.cost import Cost, measure
from tools.failures import errors_in_one_line
from tools.fresh import interruptible
from tools.marks import require_marks, write_between
from tools.profiles import Changes
from tools.tables import markdown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "wide.md"
BEGIN, END = "<!-- wide -->\n", "<!-- /wide -->\n"
COMPARED = 1000
"""Samples that evaluate compares at equal count: the rest of its work does not depend on how many there are."""
EVALUATION = {"num_images": COMPARED, "neighbours": 5, "protocol": "classifier", "metrics": ["fd_classifier"]}
"""Of params.yaml, the keys of evaluate that could contradict each other."""
SMALL_MLP = {
    "g_hidden": [64], "d_hidden": [64], "g_normalisation": "none", "d_normalisation": "none",
    "norm_eps": 1e-5, "slope": 0.2, "class_input": "one_hot",
}  # fmt: skip
"""The options of the small generator, whatever params.yaml has."""
GENERATOR, CLASSIFIER = Path("train_gan/generator.safetensors"), Path("train_classifier/classifier.safetensors")
HEADER = [
    "networks", "samples", "files", "GB", "generate s", "images/s", "peak MiB of a process",
    "evaluate s", "images/s", "peak MiB of a process",
]  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One number of samples: the bytes of its files, and what each stage took."""

    networks: str
    samples: int
    files: int
    size: int
    generate: Cost
    evaluate: Cost

    def cells(self) -> list[str]:
        """As the table shows them."""
        costs = []
        for cost in (self.generate, self.evaluate):
            costs += [f"{cost.wall_s:.0f}", f"{self.samples / cost.wall_s:,.0f}", f"{cost.peak_mib:.0f}"]
        return [self.networks, f"{self.samples:,}", str(self.files), f"{self.size / 1e9:.3g}", *costs]


def measured(samples: int, data: Path, folder: Path, networks: str) -> Row:
    """Both stages with that many samples.

    data: what they read; folder: an empty one; networks: what the row calls them. Raises UserError if a stage fails.
    """
    changes: Changes = {
        "generate": {"num_images": samples, "generator": "train_gan"},
        "evaluate": EVALUATION,
    }
    costs = {}
    project = folder / "project"
    (project / "data").mkdir(parents=True)
    for shared in ("params.yaml", "stages"):
        (project / shared).symlink_to(ROOT / shared)
    for upstream in ("normalize", "train_gan", "train_classifier"):
        (project / "data" / upstream).symlink_to((data / upstream).resolve())
    for stage in ("generate", "evaluate"):
        (folder / stage).mkdir()
        costs[stage] = measure(stage, project, folder / stage, changes)
        (project / "data" / stage).symlink_to(folder / stage / "data" / stage)
    written = list((project / "data" / "generate").rglob("samples*.safetensors"))
    return Row(networks, samples, len(written), sum(path.stat().st_size for path in written), **costs)


def small_networks(run: Path, data: Path) -> None:
    """A generator and a classifier that were never trained, for the digits of a run; writes and links files in data.

    As in a run, the classifier of stacks sees the images in them one by one.
    """
    test, meta = read_tensors(run / "normalize" / "test.safetensors")
    shape, classes = list(test["images"].shape[1:]), meta["classes"]
    arguments = {"image_shape": shape, "num_classes": len(classes), "z_dim": 16, **SMALL_MLP}
    generator = architectures.build_generator("mlp", arguments)
    initialise(generator, 0, "G")
    described = {"network": "mlp", "arguments": arguments, "classes": classes}
    write_tensors(data / GENERATOR, generator.state_dict(), described)
    seen, names = ([1, *shape[1:]], meta["singles"]) if "singles" in meta else (shape, classes)
    classifier = Classifier(seen, len(names), width=4, num_features=16)
    initialise(classifier, 0, "classifier")
    write_tensors(data / CLASSIFIER, classifier.state_dict(), {"arguments": classifier.arguments, "classes": names})
    (data / "normalize").symlink_to((run / "normalize").resolve())


def table(rows: list[Row]) -> str:
    """In Markdown."""
    return markdown(HEADER, [row.cells() for row in rows])


def measure_all(counts: list[int], is_small: bool, scratch: Path | None) -> str:
    """The table, and how it was measured."""
    rows = []
    for count in counts:
        with tempfile.TemporaryDirectory(dir=scratch) as name:
            folder, data = Path(name), ROOT / "data"
            if is_small:
                data = folder / "small"
                small_networks(ROOT / "data", data)
            rows.append(measured(count, data, folder, "small" if is_small else "of the run"))
            print(table(rows[-1:]), flush=True)
    return f"{table(rows)}\nCores: {available_cores()}.\n"


def main() -> None:
    """Print the table; write it where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tools.wide", description="Memory and speed by number of samples")
    parser.add_argument("samples", nargs="+", type=int, help="numbers of samples")
    parser.add_argument("--small", action="store_true", help="small networks that were never trained")
    parser.add_argument("--scratch", type=Path, help="folder for the temporary files; unset: the system's own")
    parser.add_argument("--enter", action="store_true", help=f"write the table into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    with interruptible(), errors_in_one_line("wide"):
        if options.scratch and not options.scratch.is_dir():
            raise UserError(f"--scratch: expected a folder that is there, found {options.scratch}")
        if options.enter:
            require_marks(PAGE, BEGIN, END)
        text = measure_all(options.samples, options.small, options.scratch)
        print(text, flush=True)  # first: hours of work, which a page that cannot be written must not cost
        if options.enter:
            write_between(PAGE, BEGIN, END, text)


if __name__ == "__main__":
    main()
