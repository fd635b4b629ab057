"""The images of the quiz "real or generated?": as many of each kind in every round, in an order that is drawn."""

import base64
from typing import Any

import torch

from stages.common import draws
from stages.common.images import ImageSet, to_colours, to_levels

ROUNDS = 5
"""At most; fewer where there are too few images."""
IN_ROUND = 20
OF_EACH_KIND = ROUNDS * IN_ROUND // 2
"""Images that are shown in all, real ones and as many generated ones."""


def quiz(test: ImageSet, samples: ImageSet, seed: int) -> dict[str, Any]:
    """Rounds of images as bytes, rows of pixels, channels last, in base64; real: of each image, whether it is.

    test, samples: real images that no network was trained on, and generated ones. A function of both and of the seed.
    """
    half = IN_ROUND // 2
    rounds = min(ROUNDS, len(test) // half, len(samples) // half)
    chosen = {
        kind: draws.permutation(seed, f"report.quiz.{kind}", 0, len(images))[: rounds * half]
        for kind, images in (("real", test), ("generated", samples))
    }
    pixels, real = [], list[bool]()
    for number in range(rounds):
        rows = slice(number * half, (number + 1) * half)
        both = torch.cat([test.images[chosen["real"][rows]], samples.images[chosen["generated"][rows]]])
        order = draws.permutation(seed, "report.quiz.order", number, IN_ROUND)
        pixels.append(both[order])
        real += (order < half).tolist()
    _, _, height, width = test.images.shape
    levels = to_levels(torch.cat(pixels)) if pixels else torch.empty(0, *test.images.shape[1:], dtype=torch.uint8)
    levels = levels if levels.shape[1] == 1 else to_colours(levels)
    return {
        "in_round": IN_ROUND,
        "height": height,
        "width": width,
        "channels": levels.shape[1],
        "real": real,
        "pixels": base64.b64encode(levels.permute(0, 2, 3, 1).contiguous().numpy().tobytes()).decode(),
    }
