"""What a classifier learns from nothing but samples, tested on real digits: the classification accuracy score (CAS).

Ravuri and Vinyals 2019, "Classification accuracy score for conditional generative models": the score falls where
samples are wrong, where they lack variety, and where they do not show the class asked for. Beside it stands what the
same recipe learns from as many real digits (stage baseline).
"""

from pathlib import Path
from typing import Any

from stages.classifier.accuracy import Accuracy, Baseline, mistakes_of_seeds, read_baseline, summarised
from stages.common.errors import UserError
from stages.common.files import write_json
from stages.common.images import NO_LABEL, ImageSet, load_alike
from stages.common.runtime import make_deterministic, report_errors
from stages.common.unchanged import Unchanged
from stages.evaluation import protocol
from stages.evaluation.cas import cas_entry, in_plain_words, shares_recognised

LEAST_TEST_DIGITS = 2


def run(data: Path) -> None:
    """Train a classifier per seed on as many samples as there were real digits; write cas.json and details.json."""
    test_path = data / "normalize" / "test.safetensors"
    test, samples = load_alike(test_path, data / "generate" / "samples.safetensors")
    folder = data / "usefulness"
    if len(test) < LEAST_TEST_DIGITS:
        raise UserError(f"{test_path}: expected at least {LEAST_TEST_DIGITS} digits to halve, found {len(test)}")
    baseline = read_baseline(data / "baseline" / "baseline.json", len(test))
    if (samples.labels == NO_LABEL).all():
        write_json(folder / "cas.json", {})
        write_json(folder / "details.json", {"undefined": "no class was asked for: the GAN is unconditional"})
        return
    count = min(len(samples), baseline.num_images)
    chosen = ImageSet(samples.images[:count], samples.labels[:count], samples.classes)
    accuracy = summarised(mistakes_of_seeds(chosen, test, baseline.recipe, baseline.seeds), len(test))
    details = describe(accuracy, baseline, count, len(test))
    write_json(folder / "cas.json", {"cas": accuracy.mean})
    write_json(folder / "details.json", details)
    print(details["in_plain_words"])


def describe(samples: Accuracy, baseline: Baseline, num_samples: int, num_test: int) -> dict[str, Any]:
    """CAS beside the figure of real digits, what both rest on, and a line of plain words."""
    seed, num_real = baseline.seeds[0], baseline.num_images
    shares = [shares_recognised(one.wrong, num_test) for one in (samples, baseline.accuracy)]
    entry = cas_entry(shares[0], shares[1], seed)
    return {
        "metrics": {"cas": entry},
        "samples": samples.model_dump(),
        "real_digits": baseline.model_dump(),
        "in_plain_words": in_plain_words(entry, num_samples, num_real),
        "protocol": {
            "num_images": num_samples,
            "real_digits": {"split": "train", "num_images": num_real},
            "reference": {"split": "test", "num_images": num_test},
            "features": "none: every classifier is trained afresh, by real_digits.recipe",
            "seed": seed,
            "ratio_interval": protocol.intervals(),
            "versions": protocol.versions(),
        },
    }


if __name__ == "__main__":
    with report_errors("usefulness"):
        unchanged = Unchanged("usefulness")
        make_deterministic()
        run(Path("data"))
        unchanged.confirm()
