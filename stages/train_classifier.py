"""Train the small CNN whose features the metrics use, on the training digits; the epoch is chosen by validation.

Always on the CPU and one thread: the features, and with them every metric, are the same bytes whoever has a GPU
and however many cores there are.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn
from tqdm import tqdm

from stages.common import draws
from stages.common.blocks import in_blocks
from stages.common.errors import UserError
from stages.common.files import write_tensors, write_text
from stages.common.images import ImageSet, load_image_set
from stages.common.initialise import initialise
from stages.common.params import StageParams
from stages.common.runtime import run_stage, show_progress
from stages.metrics.classifier import Classifier


class Params(StageParams):
    """The section train_classifier of params.yaml."""

    width: Annotated[int, Field(ge=1, le=256, description="channels of the first convolutions")]
    num_features: Annotated[int, Field(ge=64, le=256, description="penultimate features, the input of the metrics")]
    epochs: Annotated[int, Field(ge=1, le=100, description="passes over the training digits")]
    batch_size: Annotated[int, Field(ge=2, description="digits a step")]
    lr: Annotated[float, Field(gt=0, le=1, description="Adam's highest learning rate")]
    shift_pixels: Annotated[int, Field(ge=0, le=8, description="random shifts of the digits, up to so many pixels")]
    seed: Annotated[int, Field(ge=0, description="of weights, order and shifts")]


def run(params: Params, data: Path) -> None:
    """Read the training and validation digits, write the best epoch's classifier and the history of all epochs."""
    train = load_image_set(data / "normalize" / "train.safetensors")
    validation = load_image_set(data / "normalize" / "validation.safetensors")
    if len(train) < params.batch_size:
        raise UserError(
            f"train_classifier.batch_size: expected at most the {len(train)} training digits, found {params.batch_size}"
        )
    classifier = Classifier(list(train.images.shape[1:]), len(train.classes), params.width, params.num_features)
    initialise(classifier, params.seed, "train_classifier.initialise")
    history, best = fit(classifier, train, validation, params)
    meta = {"arguments": classifier.arguments, "classes": train.classes}
    folder = data / "train_classifier"
    write_tensors(folder / "classifier.safetensors", best, meta)
    write_text(folder / "history.csv", history.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    print(history.to_string(index=False))


def fit(
    classifier: Classifier, train: ImageSet, validation: ImageSet, params: Params
) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """Train in place. Returns a row for each epoch, and the state of the epoch that recognised validation best."""
    order = draws.BatchOrder(params.seed, "train_classifier.order", len(train), params.batch_size)
    steps_per_epoch = len(train) // params.batch_size
    optimizer = torch.optim.Adam(classifier.parameters(), lr=params.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, params.lr, total_steps=params.epochs * steps_per_epoch)
    rows: list[dict[str, float]] = []
    best: dict[str, Tensor] = {}
    for epoch in range(params.epochs):
        classifier.train()
        losses = []
        steps = range(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch)
        for step in tqdm(steps, f"epoch {epoch + 1}/{params.epochs}", unit="step", disable=not show_progress()):
            chosen = order.rows(step)
            images = shifted(train.images[chosen], params.shift_pixels, params.seed, step)
            loss = nn.functional.cross_entropy(classifier(images), train.labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
        accuracy, validation_loss = score(classifier, validation)
        train_loss = torch.stack(losses).mean().item()
        if not torch.isfinite(torch.tensor([train_loss, validation_loss])).all():
            raise UserError(f"the loss of epoch {epoch + 1} is not finite; try a lower train_classifier.lr")
        if not rows or (accuracy, -validation_loss) > max(
            (row["validation_accuracy"], -row["validation_loss"]) for row in rows
        ):
            best = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
        rows.append(
            {
                "epoch": epoch + 1,
                "train_loss": train_loss,
                "validation_loss": validation_loss,
                "validation_accuracy": accuracy,
            }
        )
    return pd.DataFrame(rows), best


def shifted(images: Tensor, pixels: int, seed: int, step: int) -> Tensor:
    """Each image [B, C, H, W] moved by its own whole number of pixels, up to `pixels` each way; background enters."""
    batch, _, height, width = images.shape
    padded = nn.functional.pad(images, [pixels] * 4, value=-1)
    offsets = draws.integers(seed, "train_classifier.shift", step, 2 * pixels + 1, (2, batch, 1))
    rows, columns = offsets[0] + torch.arange(height), offsets[1] + torch.arange(width)
    image = torch.arange(batch)[:, None, None]
    return padded[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)  # [B, C, H, W]


def score(classifier: Classifier, digits: ImageSet) -> tuple[float, float]:
    """Accuracy in [0, 1] and mean cross-entropy on the digits."""
    logits = in_blocks(classifier.eval(), digits.images)
    accuracy = (logits.argmax(1) == digits.labels).double().mean().item()
    return accuracy, nn.functional.cross_entropy(logits, digits.labels).item()


if __name__ == "__main__":
    run_stage("train_classifier", Params, run)
