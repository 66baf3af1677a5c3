"""The page of one or several evaluations as one self-contained HTML file, for light and dark mode and any width.

Tables are HTML tables and numbers are text (`<data>` with the unrounded value and its place in `report.json`), so that
a page can be searched, copied and read by a screen reader. The page has no script. Not supported: sorting and zooming.
"""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

import emosllm
from emosllm.reporting.blocks import Block, Cell, Examples, Listing, Number, Picture, Share, Table
from emosllm.reporting.evaluations import ComparedEvaluations
from emosllm.reporting.formats.svg import inline_svg
from emosllm.reporting.section_list import build_sections, page_title

_STRONG = 0.55  # from this share on, a cell is so dark that its text is white


def render_page(compared: ComparedEvaluations, *, examples: int = 4, audio: bool = False) -> str:
    """The whole page.

    Args:
        compared: the evaluations.
        examples: number of right and of wrong answers of each system.
        audio: whether examples contain their audio, as data URIs.

    Raises:
        UserError: matplotlib is not installed.
    """
    folder = files("emosllm.reporting.formats")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"kind": _kind, "cell": _cell, "svg": _svg}
    template = environment.from_string((folder / "page.html.jinja").read_text("utf-8"))
    return template.render(
        title=page_title(compared),
        style=Markup((folder / "page.css").read_text("utf-8")),
        sections=build_sections(compared, most_examples=examples, audio=audio),
        version=emosllm.__version__,
    )


def _kind(block: Block) -> str:
    """The kind of a block, for the template."""
    kinds = {Picture: "picture", Examples: "examples", Listing: "listing", Table: "table"}
    return kinds[type(block)]


def _svg(picture: Picture, name: str) -> Markup:
    return Markup(inline_svg(picture.draw(), name, picture.caption))


def _cell(cell: Cell) -> Markup:
    """The content of a table's cell."""
    if isinstance(cell, Number):
        return _number(cell)
    if isinstance(cell, Share):
        strength = "strong" if cell.share > _STRONG else "none" if not cell.count else "some"
        parts = Markup('<div class="share {}{}" style="--share: {:.3f}">').format(
            strength, " right" if cell.right else "", cell.share
        )
        clips = Markup('<data value="{0}" data-at="{1}">{0}</data>').format(cell.count, cell.at)
        return parts + Markup("{:.0%}<small>{}</small></div>").format(cell.share, clips)
    return Markup.escape(str(cell))


def _number(number: Number) -> Markup:
    if number.value is None:
        return Markup.escape(number.text)
    place = Markup(' data-at="{}"').format(number.at) if number.at else Markup("")
    main = Markup(' class="main"') if number.main else Markup("")
    text = Markup('<data value="{!r}"{}{}>{}</data>').format(number.value, place, main, number.text)
    if number.interval is not None:
        place = Markup(' data-at="{}"').format(number.ends_at) if number.ends_at else Markup("")
        text += Markup(' <span class="interval"{}>{}</span>').format(place, number.interval_text)
    if number.note:
        text += Markup(" <small>{}</small>").format(number.note)
    if not number.bar:
        return text
    ends = Markup("")
    if number.interval is not None:
        ends = Markup("; --low: {:.4f}; --high: {:.4f}").format(number.interval.low, number.interval.high)
    kind = "bar ends" if ends else "bar"
    return text + Markup('<i class="{}" style="--value: {:.4f}{}"></i>').format(kind, number.value, ends)
