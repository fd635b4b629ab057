"""The picture of a GAN in the plane: what a frame shows is true, and the same bytes come out again."""

import io
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageSequence

from tools import ring

ROOT = Path(__file__).parents[2]


def test_arrows_lead_to_where_d_believes_more() -> None:
    """A small step along each raises the probability that D gives to that point."""
    *_, trained = ring.moments((0, 30), penalties={"r1": 0.1})
    trainer = ring.ring_trainer(penalties={"r1": 0.1})
    for step in range(30):
        trainer.step(step)
    at = trained.fake[: len(trained.pull)]
    moved = at + 0.01 * trained.pull / trained.pull.norm(dim=1, keepdim=True)
    with torch.no_grad():
        before, after = (trainer.D(points.view(-1, 2, 1, 1), ring._labels(points)) for points in (at, moved))
    assert (after > before).all()


def test_the_heat_map_is_d_over_the_plane() -> None:
    """Row by row from below, as matplotlib draws it: the entry of a corner is D of that corner."""
    (first,) = ring.moments((0,))
    corner = torch.tensor([ring.EDGE, -ring.EDGE]).view(1, 2, 1, 1)
    with torch.no_grad():
        expected = ring.ring_trainer().D(corner, torch.zeros(1, dtype=torch.int64)).sigmoid()
    assert first.probability[0, -1].item() == pytest.approx(expected.item(), abs=1e-6)


def test_a_short_picture_has_a_frame_a_moment_and_the_same_bytes_again() -> None:
    sides = {"a": ring.SIDES["with R1"], "b": ring.SIDES["without, at a high rate"]}
    content = ring.animation((0, 2, 4), sides)
    assert ring.animation((0, 2, 4), sides) == content
    frames = [frame.copy() for frame in ImageSequence.Iterator(Image.open(io.BytesIO(content)))]
    assert len(frames) == 3
    assert frames[0].width == 2 * ring.PIXELS


def test_the_committed_picture_is_small_and_whole() -> None:
    content = (ROOT / ring.PICTURE).read_bytes()
    assert len(content) < 1_500_000
    assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(content))))) == len(ring.SHOWN_STEPS)
