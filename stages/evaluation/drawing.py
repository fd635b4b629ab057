"""Matplotlib with its own settings and its own font alone, so that pictures have the same bytes on every machine."""

import contextlib
import logging
import os
from pathlib import Path

# Matplotlib warns where it cannot write its list of the system's fonts, which is not used here.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
# A matplotlibrc in the working folder would be read before the empty one that stages/__init__.py names.
with contextlib.chdir(Path(os.__file__).parent):
    import matplotlib as mpl
    from matplotlib import font_manager
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font

__all__ = ["Axes", "Figure", "new_figure"]

FONT = Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
GLYPHS = frozenset(FT2Font(str(FONT)).get_charmap())
"""The code points that the font can draw."""
DPI = 80


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches, whatever settings, styles and fonts the user or an import has set."""
    mpl.rcdefaults()
    # Texts look their font up by name, among fonts of the system and in a cache that may be stale.
    font_manager.fontManager.ttflist.clear()
    font_manager.fontManager.addfont(FONT)
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")
