"""How many real images D has seen: the measure of a training's length in every curve, picture and file."""

IMAGES_PER_STEP = "batch_size"
"""The key of snapshots.safetensors for the real images that a step shows, named when a step had only one batch."""


def kimg_shown(steps: int, images_per_step: int) -> float:
    """Thousands of real images shown to D in that many steps."""
    return steps * images_per_step / 1000
