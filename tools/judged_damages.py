"""How judges rate damaged digits: the second table of docs/damages.md, which tools/damages.py writes."""

from collections.abc import Callable
from pathlib import Path

from stages.classifier.model import load_classifier
from stages.common.images import ImageSet, load_alike
from stages.evaluation.scores import Score
from stages.evaluation.sides import Sides, shuffled, sides
from stages.evaluation.two_sample import LINEAR, judged_by_line, train_all
from stages.two_sample import Params

NUM_TRAIN, NUM_TEST = 2000, 2000
"""Digits of each side: a tenth of what the stage learns from, for every damage has judges of its own."""
SAMPLES = "samples of this run"

INTRODUCTION = """
## Judges

The same digits rated by judges, as stage `two_sample` trains them: the share of images that are judged right, 0.5 by
chance. A third of the validation images is learned as real; the others, damaged, are in the samples' place. Up to
{train:,} of each side are learned and {test:,} tested, fewer than in the stage, so that judges miss more here. What
they can't see are copies of training images, a missing class and wrong labels. The row *{samples}* has the GAN's,
at the same counts.

"""


def introduced() -> str:
    """The text above the table."""
    return INTRODUCTION.format(train=NUM_TRAIN, test=NUM_TEST, samples=SAMPLES)


def scores(
    params: Params, data: Path, damages: dict[str, Callable[[ImageSet, ImageSet], ImageSet]]
) -> dict[str, dict[str, Score]]:
    """The figures of stage two_sample by damage, and of the samples, if the run has some.

    damages: each makes damaged digits of validation and training digits.
    """
    paths = [data / "normalize" / f"{split}.safetensors" for split in ("train", "validation", "test")]
    samples_path = data / "generate" / "samples.safetensors"
    train, validation, test, *samples = load_alike(*paths, *([samples_path] if samples_path.exists() else []))
    classifier_path = data / "train_classifier" / "classifier.safetensors"
    classifier = load_classifier(classifier_path, test, paths[-1])

    seed = params.seeds[0]
    validation, test = shuffled(validation, seed, "validation"), shuffled(test, seed, "test")
    third = len(validation) // 3
    real, others = validation.select(slice(third)), validation.select(slice(third, None))

    def beside_real(candidates: ImageSet) -> Sides:
        return sides(real, test, shuffled(candidates, seed, "damaged"), NUM_TRAIN, NUM_TEST)

    compared = {name: beside_real(damage(others, train)) for name, damage in damages.items()}
    if samples:
        compared[SAMPLES] = beside_real(samples[0])
    judged, _ = train_all(compared, None, params.recipe, params.seeds)
    judged[LINEAR] = {name: judged_by_line(each, classifier, classifier_path) for name, each in compared.items()}
    return {name: {figure: of[name].score for figure, of in judged.items()} for name in compared}
