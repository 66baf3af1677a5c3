"""A table of answers before and after a training, and the number of correct ones."""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from emosllm.utterance import Prediction, Utterance


def answers_table(test: Sequence[Utterance], before: Sequence[Prediction], after: Sequence[Prediction]) -> Table:
    """A row per clip: its name, the emotion that it imitates, and both answers, marked right or wrong.

    Args:
        test: the clips.
        before: an answer to each.
        after: another answer to each.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False)
    for head in ("recording", "imitates", "before", "after"):
        table.add_column(head, no_wrap=True)
    for utterance, first, second in zip(test, before, after, strict=True):
        name = Path(first.path).stem.removeprefix("synthetic_")  # in all names; the table fits 80 columns
        table.add_row(name, utterance.emotion, _answer(first, utterance.emotion), _answer(second, utterance.emotion))
    return table


def count_right(test: Sequence[Utterance], answers: Sequence[Prediction]) -> int:
    """The number of answers that name the clip's emotion."""
    return sum(found.label == utterance.emotion for utterance, found in zip(test, answers, strict=True))


def _answer(found: Prediction, emotion: str | None) -> Text:
    """An answer such as `right happy 0.93`; the word repeats what colour shows."""
    if found.label is None:
        return Text(f"wrong {found.error}", style="red")
    is_right = found.label == emotion
    mark = Text("right " if is_right else "wrong ", style="green" if is_right else "red")
    return mark.append(f"{found.label:<8}{found.confidence or 0:.2f}", style="default")
