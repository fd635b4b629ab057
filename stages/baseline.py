"""What a classifier learns from the real training digits: the yardstick for a classifier that learns from samples.

No setting of the GAN reruns this stage. The recipe of both classifiers is in its params and is passed on with its
result.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from stages.classifier.accuracy import Baseline, Seeds, mistakes_of_seeds, require_test_digits, summarised
from stages.classifier.fit import Recipe
from stages.common.files import write_json
from stages.common.images import load_alike
from stages.common.labelled import require_every_class, require_labels
from stages.common.runtime import run_stage


class Params(Recipe):
    """The section baseline of params.yaml."""

    seeds: Annotated[Seeds, Field(description="one classifier is trained for each: weights, order and shifts")]


def run(params: Params, data: Path) -> None:
    """Train a classifier per seed on the training digits; write how they do on the test digits, and the recipe."""
    paths = [data / "normalize" / f"{split}.safetensors" for split in ("train", "test")]
    train, test = load_alike(*paths)
    require_labels(paths[0], train)
    require_test_digits(paths[1], test)
    train, test = train.unstacked(), test.unstacked()
    require_every_class(paths[0], train)
    recipe = Recipe.model_validate(params.model_dump(exclude={"seeds"}))
    accuracy = summarised(mistakes_of_seeds(train, test, recipe, params.seeds), len(test))
    baseline = Baseline(recipe=recipe, seeds=params.seeds, num_images=len(train), accuracy=accuracy)
    write_json(data / "baseline" / "baseline.json", baseline.content())
    print(f"trained on {len(train)} real images: {accuracy.mean:.4f} of the test images recognised")


if __name__ == "__main__":
    run_stage("baseline", Params, run)
