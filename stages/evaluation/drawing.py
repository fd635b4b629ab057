"""Matplotlib with its own settings and its own font alone, so that pictures have the same bytes on every machine."""

import contextlib
import io
import logging
import os
from pathlib import Path

# Matplotlib warns where it cannot write its list of the system's fonts, which is not used here.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
# A matplotlibrc in the working folder would be read before the empty one that stages/__init__.py names.
with contextlib.chdir(Path(os.__file__).parent):
    import matplotlib as mpl
    import numpy as np
    import numpy.typing as npt
    from matplotlib import font_manager
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font

__all__ = ["Axes", "Figure", "new_figure", "pixels_of", "png_of"]

FONT = Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
GLYPHS = frozenset(FT2Font(str(FONT)).get_charmap())
"""The code points that the font can draw."""
DPI = 80


def new_figure(width: float, height: float, in_pixels: bool = False) -> Figure:
    """An empty figure of that size in inches, whatever settings, styles and fonts the user or an import has set."""
    mpl.rcdefaults()
    # Texts look their font up by name, among fonts of the system and in a cache that may be stale.
    font_manager.fontManager.ttflist.clear()
    font_manager.fontManager.addfont(FONT)
    scale = DPI if in_pixels else 1
    return Figure(figsize=(width / scale, height / scale), dpi=DPI, layout="constrained")


def pixels_of(figure: Figure) -> npt.NDArray[np.uint8]:
    """The figure as red, green and blue uint8 [H, W, 3]."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def png_of(figure: Figure) -> bytes:
    """A figure as a PNG of the same bytes for the same content."""
    content = io.BytesIO()
    # Matplotlib would put its version into the file.
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
