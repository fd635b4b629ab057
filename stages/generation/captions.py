"""Grids of images with a caption for each column and row, as PNG."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from stages.common.grids import BORDER, grid, png
from stages.evaluation.drawing import FONT

SIZE, LINE, GAP = 13, 20, 6
"""Pixels: of the font, of a line above the columns, and between a row's caption and its images."""


def captioned(images: Tensor, columns: int, above: Sequence[str] = (), left: Sequence[str] = ()) -> bytes:
    """Images float32 [N, C, H, W] in [-1, 1] as a grid, at most `columns` a row.

    above, left: a caption for each column and row, or none; what is wider than its column is cut.
    """
    levels = grid(images, columns)
    # The engine that comes with Pillow: the other one would be the system's.
    font = ImageFont.truetype(str(FONT), SIZE, layout_engine=ImageFont.Layout.BASIC)
    top = LINE if any(above) else 0
    margin = round(max((font.getlength(text) for text in left), default=-2 * GAP)) + 2 * GAP
    picture = Image.new("L" if levels.ndim == 2 else "RGB", (levels.shape[1] + margin, levels.shape[0] + top), "white")
    picture.paste(Image.fromarray(levels), (margin, top))
    draw, columns = ImageDraw.Draw(picture), min(columns, len(images))
    width, height = ((size - BORDER) // count for size, count in zip(levels.shape[1::-1], (columns, 1), strict=True))
    height //= -(-len(images) // columns)
    for column, text in enumerate(above):
        place = margin + BORDER / 2 + width * (column + 0.5), top / 2
        draw.text(place, fitted(text, width - BORDER, font), fill="black", font=font, anchor="mm")
    for row, text in enumerate(left):
        place = margin - GAP, top + BORDER / 2 + height * (row + 0.5)
        draw.text(place, text, fill="black", font=font, anchor="rm")
    return png(picture)


def fitted(text: str, width: float, font: ImageFont.FreeTypeFont) -> str:
    """The text, or as much of its beginning as is not wider than that many pixels, with an ellipsis."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "\N{HORIZONTAL ELLIPSIS}") > width:
        text = text[:-1]
    return text + "\N{HORIZONTAL ELLIPSIS}" if text else ""
