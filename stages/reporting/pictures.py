"""The pictures that other stages drew, with words for those who do not see them."""

import base64
from dataclasses import dataclass

from stages.reporting.run import Run
from stages.reporting.weights import labels_are_codes


@dataclass(frozen=True)
class Picture:
    """uri: the picture itself; alt: what it shows; caption: what to look for in it."""

    uri: str
    alt: str
    caption: str


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """A picture as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def pictures(run: Run) -> dict[str, Picture]:
    """All of them by the name of the file, without folder and ending."""
    noun = run.noun
    words = {
        "samples": (f"A grid of generated {noun}s.", "The first samples, as they come; nothing was picked."),
        "classes": _words_of_classes(run),
        "interpolations": (
            f"Rows of generated {noun}s that change step by step from one latent to another.",
            "From latent to latent, along the sphere on which they lie and straight through it.",
        ),
        "arithmetic": (
            f"Generated {noun}s whose latents were added and subtracted.",
            "Latents as sums: what tells two groups of samples apart, added to others.",
        ),
        "truncation": (
            f"Rows of generated {noun}s, each with its precision and recall: from latents as drawn to truncated ones.",
            "Truncated latents give less varied but more typical samples.",
        ),
        "discriminator": (
            "Histograms of the discriminator's logits.",
            f"What D says of samples, of validation {noun}s and of training {noun}s. The further its training {noun}s "
            f"lie to the right of validation {noun}s, the more it has learned them by heart.",
        ),
        "confusion": (
            "Two confusion matrices: of the samples, and of real images in their place.",
            "In percent of a row.",
        ),
        "nearest": (
            f"For each class the sample nearest to a training {noun}, above that {noun}; the same for test {noun}s.",
            f"The samples that come nearest to a training {noun}, each above it, with their distance on the "
            f"classifier's features; below, the same for test {noun}s, which nobody could have copied.",
        ),
    }
    found = {name.partition("/")[2].removesuffix(".png"): content for name, content in run.pictures.items()}
    return {name: Picture(data_uri(content), *words[name]) for name, content in found.items()}


def _words_of_classes(run: Run) -> tuple[str, str]:
    """Of the picture with a latent in each row, and in each column a label, if the generator reads labels."""
    if not run.generator.meta["arguments"]["num_classes"]:
        return f"Generated {run.noun}s: a latent in each row.", "One latent a row; this generator has no classes."
    label, labels = ("code", "codes") if labels_are_codes(run.generator.meta) else ("class", "classes")
    return (
        f"Generated {run.noun}s: a latent in each row, a {label} in each column.",
        f"One latent a row: what the {labels} share of it is the handwriting.",
    )
