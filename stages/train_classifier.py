"""Train the small CNN whose features the metrics use, on the training digits; the epoch is chosen by validation.

Always on the CPU and one thread: the features, and with them every metric, are the same bytes whoever has a GPU
and however many cores there are.
"""

import math
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field
from torch import Tensor

from stages.classifier.fit import Recipe, fit, fresh_classifier, num_steps, score
from stages.classifier.model import Classifier
from stages.common.errors import UserError
from stages.common.files import write_csv, write_tensors
from stages.common.images import ImageSet, load_alike
from stages.common.labelled import require_every_class, require_labels
from stages.common.progress import progress
from stages.common.runtime import run_stage


class Params(Recipe):
    """The section train_classifier of params.yaml."""

    seed: Annotated[int, Field(ge=0, description="of weights, order and shifts")]


def run(params: Params, data: Path) -> None:
    """Read the training and validation digits, write the best epoch's classifier and the history of all epochs."""
    paths = [data / "normalize" / f"{split}.safetensors" for split in ("train", "validation")]
    train, validation = load_alike(*paths)
    require_labels(paths[0], train)
    require_labels(paths[1], validation)
    # Of stacks it learns the single images, one channel each.
    train, validation = train.unstacked(), validation.unstacked()
    require_every_class(paths[0], train)
    if len(train) < params.batch_size:
        raise UserError(
            f"train_classifier.batch_size: expected at most the {len(train)} training images, found {params.batch_size}"
        )
    classifier = fresh_classifier(train, params, params.seed)
    history, best = best_epoch(classifier, train, validation, params)
    folder = data / "train_classifier"
    meta = {"arguments": classifier.arguments, "classes": train.classes}
    write_tensors(folder / "classifier.safetensors", best, meta)
    write_csv(folder / "history.csv", history)
    print(history.to_string(index=False))


def best_epoch(
    classifier: Classifier, train: ImageSet, validation: ImageSet, params: Params
) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """Train in place. Returns a row for each epoch, and the state of the epoch that recognised validation best.

    Of two equally good epochs the one with the lower validation loss is better. Raises UserError if a loss is not
    finite.
    """
    rows: list[dict[str, float]] = []
    best: dict[str, Tensor] = {}
    best_score = (-math.inf, -math.inf)
    with progress("training the classifier", num_steps(params, len(train)), "step") as counter:
        for epoch, train_loss in enumerate(fit(classifier, train, params, params.seed, counter), start=1):
            accuracy, validation_loss = score(classifier, validation)
            if not math.isfinite(train_loss + validation_loss):
                raise UserError(f"the loss of epoch {epoch} is not finite; try a lower train_classifier.lr")
            if (accuracy, -validation_loss) > best_score:
                best_score = (accuracy, -validation_loss)
                best = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
            losses = {"train_loss": train_loss, "validation_loss": validation_loss}
            rows.append({"epoch": epoch, **losses, "validation_accuracy": accuracy})
    return pd.DataFrame(rows), best


if __name__ == "__main__":
    run_stage("train_classifier", Params, run)
