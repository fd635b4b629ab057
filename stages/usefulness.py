"""What a classifier learns from nothing but samples, tested on real digits: the classification accuracy score (CAS).

Ravuri and Vinyals 2019, "Classification accuracy score for conditional generative models": the score falls where
samples are wrong, where they lack variety, and where they do not show their label. It is compared with what
the same recipe learns from as many real digits (stage baseline).
"""

from dataclasses import replace
from pathlib import Path

from stages.classifier.accuracy import mistakes_of_seeds, read_baseline, require_test_digits, summarised
from stages.common.files import write_json
from stages.common.images import load_image_set
from stages.common.records import Undefined
from stages.common.runtime import make_deterministic, report_errors
from stages.common.unchanged import Unchanged
from stages.evaluation.cas import cas_details
from stages.evaluation.image_sets import load_samples
from stages.evaluation.judge import read_least_accuracy
from stages.evaluation.scores import NO_LABELS


def run(data: Path) -> None:
    """Train a classifier per seed on as many samples as there were real digits; write cas.json and details.json."""
    test_path = data / "normalize" / "test.safetensors"
    test, folder = load_image_set(test_path), data / "usefulness"
    require_test_digits(test_path, test)
    baseline = read_baseline(data / "baseline" / "baseline.json", len(test))
    samples = load_samples(data / "generate" / "samples.safetensors", baseline.num_images, test, test_path)
    least_accuracy = read_least_accuracy(data / "normalize" / "dataset.json")
    if not samples.has_labels:
        write_json(folder / "cas.json", {})
        write_json(folder / "details.json", Undefined(undefined=NO_LABELS).content())
        print(f"cas is undefined: {NO_LABELS}")
        return
    samples = replace(samples.select(slice(baseline.num_images)), singles=test.singles).unstacked()
    test = test.unstacked()
    accuracy = summarised(mistakes_of_seeds(samples, test, baseline.recipe, baseline.seeds), len(test))
    details = cas_details(accuracy, baseline, len(samples), len(test), least_accuracy)
    write_json(folder / "cas.json", {"cas": accuracy.mean})
    write_json(folder / "details.json", details.content())
    print(details.in_plain_words)


if __name__ == "__main__":
    with report_errors("usefulness"):
        unchanged = Unchanged("usefulness")
        make_deterministic()
        run(Path("data"))
        unchanged.confirm()
