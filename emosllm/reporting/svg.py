"""matplotlib figures as SVG within a page: no address of anybody, names of their own, colours that follow the page.

What a browser prints light and shows dark must not have its colours painted in; so the house's inks become the page's
variables. Given up: pictures of pictures, which none of ours holds.
"""

import re
from typing import Any

from emosllm.reporting.style import BLUE, FAINT, INK, RULE, TRACK, picture_bytes

_VARIABLES = {INK: "ink", FAINT: "faint", RULE: "rule", TRACK: "track", BLUE: "accent", "#ffffff": "card"}


def inline_svg(figure: Any, name: str, title: str) -> str:
    """A figure as an `<svg>` element.

    Args:
        figure: of matplotlib.
        name: unique on the page; ids within begin with it.
        title: what it shows, for those who do not see it.
    """
    text = picture_bytes(figure, "svg").decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'\b(id="|href="#|url\(#)', lambda found: found.group(1) + f"{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = re.sub(re.escape(colour), f"var(--{variable})", text, flags=re.IGNORECASE)
    # Points become pixels, and the page may make it narrower; height follows.
    width = re.search(r'width="([\d.]+)pt"', text)
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    wide = f"{float(width.group(1)) * 4 / 3:.0f}px" if width else "100%"
    return text.replace("<svg", f'<svg role="img" aria-label="{_attribute(title)}" style="width: {wide}"', 1)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
