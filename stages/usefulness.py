"""What a classifier learns from nothing but samples, tested on real digits: the classification accuracy score (CAS).

Ravuri and Vinyals 2019, "Classification accuracy score for conditional generative models": the score falls where
samples are wrong, where they lack variety, and where they do not show the class asked for. Beside it stands what the
same recipe learns from as many real digits (stage baseline).
"""

from pathlib import Path

from stages.common.files import read_json, write_json
from stages.common.images import NO_LABEL, ImageSet, load_image_set
from stages.common.runtime import make_deterministic, report_errors
from stages.metrics.fit import Recipe
from stages.metrics.usefulness import accuracies_of_seeds, summarised


def run(data: Path) -> None:
    """Train a classifier per seed on as many samples as there were real digits; write cas.json and details.json."""
    samples = load_image_set(data / "generate" / "samples.safetensors")
    test = load_image_set(data / "normalize" / "test.safetensors")
    baseline = read_json(data / "baseline" / "baseline.json")
    folder = data / "usefulness"
    if (samples.labels == NO_LABEL).all():
        write_json(folder / "cas.json", {})
        write_json(folder / "details.json", {"undefined": "no class was asked for: the GAN is unconditional"})
        return
    count = min(len(samples), baseline["num_images"])
    chosen = ImageSet(samples.images[:count], samples.labels[:count], samples.classes)
    recipe = Recipe.model_validate(baseline["recipe"])
    result = summarised(accuracies_of_seeds(chosen, test, recipe, baseline["seeds"]))
    write_json(folder / "cas.json", {"cas": result["mean"]})
    write_json(folder / "details.json", {"num_images": count, "samples": result, "real_digits": baseline})
    print(f"trained on {count} samples: {result['mean']:.4f} of the test digits recognised")
    print(f"trained on {baseline['num_images']} real digits: {baseline['accuracy']['mean']:.4f}")


if __name__ == "__main__":
    with report_errors("usefulness"):
        make_deterministic()
        run(Path("data"))
