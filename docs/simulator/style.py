"""How the pictures look: colours that colour-blind readers can tell apart (Okabe and Ito), few lines, units on axes."""

from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PINK = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
GREY, PALE = "#767676", "#E6E6E6"
LARGEST = 80_000
"""Bytes a picture may have."""


def use() -> None:
    """Set what all pictures share."""
    mpl.use("Agg")
    plt.rcParams.update(
        {
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": PALE,
            "axes.axisbelow": True,
            "legend.frameon": False,
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
        }
    )


def save(figure: Figure, path: Path) -> None:
    """Write a picture; raises `ValueError` naming one that is too large."""
    figure.savefig(path)
    plt.close(figure)
    few_colors = Image.open(path).convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE)
    few_colors.save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes; at most {LARGEST:,} are allowed")


def note(axes: Axes, x: object, y: float, text: str, color: str = GREY, **more: object) -> None:
    """A short remark within a plot, in its data's units."""
    axes.text(x, y, text, **{"color": color, "fontsize": 8, **more})
