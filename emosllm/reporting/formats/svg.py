"""matplotlib figures as SVG within a page: without external links, with unique ids, in the page's colours.

Browsers print pages light and may show them dark, so fixed colours of the style are replaced by the page's variables.
Not supported: plots that contain images; there are none.
"""

import re
from typing import Any

from emosllm.reporting.style import BLUE, FAINT, INK, RULE, TRACK, picture_bytes

_VARIABLES = {INK: "ink", FAINT: "faint", RULE: "rule", TRACK: "track", BLUE: "accent", "#ffffff": "card"}


def inline_svg(figure: Any, name: str, title: str) -> str:
    """Convert a figure to an `<svg>` element.

    Args:
        figure: of matplotlib.
        name: unique on the page; ids within the figure begin with it.
        title: the text alternative.
    """
    text = picture_bytes(figure, "svg").decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'\b(id="|href="#|url\(#)', lambda found: found.group(1) + f"{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = re.sub(re.escape(colour), f"var(--{variable})", text, flags=re.IGNORECASE)
    # Points become pixels. The page may reduce the width; the height follows.
    width = re.search(r'width="([\d.]+)pt"', text)
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    wide = f"{float(width.group(1)) * 4 / 3:.0f}px" if width else "100%"
    return text.replace("<svg", f'<svg role="img" aria-label="{_attribute(title)}" style="width: {wide}"', 1)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
