"""Drawing PNG and PDF files with matplotlib so that the same figures give the same bytes."""

import io
import threading
from collections.abc import Callable
from typing import Any, Final

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["BLUE", "GREY", "INK", "VERMILION", "pdf", "png"]

# Okabe and Ito's palette, which people with colour-blindness can tell apart.
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
GREY: Final = "#6B7280"
INK: Final = "#1F2937"

_STYLE: Final[dict[str, Any]] = {
    "axes.edgecolor": "#9CA3AF",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.titlesize": 11.5,
    "axes.titley": 1.0,  # fixed: looking for a free place takes a quarter of the time
    "axes.titleweight": "bold",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": "#E5E7EB",
    "legend.frameon": False,
    "lines.linewidth": 2.2,
    "pdf.fonttype": 42,  # outlines as the font has them, which viewers draw more sharply than type 3
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
}
_LOCK: Final = threading.Lock()


def png(paint: Callable[[Figure], None], *, width: float, height: float, dpi: int = 110) -> bytes:
    """A PNG of what `paint` puts on a figure of `width` times `height` inches."""
    # The name of the program has its version in it, with which the bytes would change.
    return _saved(paint, (width, height), dpi, format="png", metadata={"Software": None})


def pdf(paint: Callable[[Figure], None], *, width: float, height: float, title: str) -> bytes:
    """A PDF of one page, `width` times `height` inches, without a date or the names of the programs that made it."""
    metadata = {"Title": title, "Creator": None, "Producer": None, "CreationDate": None}
    return _saved(paint, (width, height), 72, format="pdf", metadata=metadata)


def _saved(paint: Callable[[Figure], None], size: tuple[float, float], dpi: int, **options: Any) -> bytes:
    file = io.BytesIO()
    # All threads share settings and fonts. Defaults first: a user's own settings would change the bytes.
    with _LOCK, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)  # type: ignore[arg-type]  # the keys are typed one by one, and a table of them is not
        figure = Figure(figsize=size, dpi=dpi)
        FigureCanvasAgg(figure)
        paint(figure)
        figure.savefig(file, **options)
    return file.getvalue()
