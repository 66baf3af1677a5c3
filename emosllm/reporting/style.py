"""The style of every plot, and its output: written atomically, with the same bytes for the same figure.

Colours are Okabe and Ito's, which are distinguishable without colour vision. Every series has its own marker or dash,
so that greyscale prints are legible, too. Not supported: fonts other than matplotlib's own.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emosllm.errors import UserError
from emosllm.extras import extra
from emosllm.files import make_folder, write_atomically

INK, FAINT, TRACK, RULE = "#1c2226", "#66727a", "#eef1f3", "#d5dade"
BLUE, RED, GREY = "#0072B2", "#D55E00", "#9aa5ad"

#: The colour, marker and dash of each series. Okabe and Ito, Color universal design, 2008, without yellow (too pale).
SERIES = (
    (BLUE, "o", "-"),
    (RED, "s", (0, (5, 1.5))),
    ("#009E73", "^", (0, (1.2, 1.2))),
    ("#CC79A7", "D", (0, (6, 1.5, 1.2, 1.5))),
    ("#56B4E9", "v", (0, (3, 1.2))),
    ("#E69F00", "P", (0, (8, 2))),
)

_FORMATS = (".png", ".svg", ".pdf")
_DPI = 200
_SETTINGS = {
    # The font is matplotlib's own and the salt is fixed, so that two machines draw the same bytes.
    "svg.hashsalt": "emosllm",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a file name must not start a formula
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": TRACK,
    "grid.linewidth": 0.9,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "legend.frameon": False,
    "legend.handlelength": 3.0,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.0,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the style while a figure is drawn and written.

    Raises:
        UserError: matplotlib is not installed.
    """
    with extra("eval", "drawing"):
        import matplotlib
        import matplotlib.figure
    with matplotlib.rc_context(_SETTINGS):
        yield


def check_picture(path: Path) -> None:
    """Reject a path that cannot be written, before anything is computed.

    Raises:
        UserError: matplotlib is not installed, `path` has another ending, or its folder cannot be written to.
    """
    if path.suffix.lower() not in _FORMATS:
        raise UserError(f"cannot draw {path}: pictures end in {', '.join(_FORMATS)}")
    with extra("eval", "drawing"):
        import matplotlib.figure  # noqa: F401
    make_folder(path.parent)


def picture_bytes(figure: Any, kind: str) -> bytes:
    """A matplotlib figure as `png`, `svg` or `pdf`, without a date."""
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, format=kind, dpi=_DPI, metadata=undated)
    return buffer.getvalue()


def write_picture(figure: Any, path: Path) -> None:
    """Write a matplotlib figure to `path` atomically; the ending selects the format.

    Raises:
        UserError: for the reasons of `check_picture`.
    """
    check_picture(path)
    write_atomically(path, picture_bytes(figure, path.suffix.lower()[1:]))
