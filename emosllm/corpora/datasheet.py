"""A corpus's datasheet: its counts, what is missing from the copy, and its licence, as JSON and Markdown.

The counts cover the utterances in the manifest. Utterances that were left out are listed one by one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosllm.corpora.card import Card, differences
from emosllm.labels import FINER, LETTERS
from emosllm.utterance import SPLITS, Utterance

_ORDER = (*LETTERS, *FINER)


@dataclass(frozen=True, slots=True)
class Datasheet:
    """Summary of a corpus as it was read from a folder.

    Attributes:
        name: the reader's name.
        card: origin, licence, citation, notes.
        utterances: the utterances of the manifest.
        differences: counts that differ from the complete corpus, one line each.
        broken: file -> the fault, for each recording that was left out.
        wordless: ids of rows that were left out because they have neither recording nor transcript.
    """

    name: str
    card: Card
    utterances: Sequence[Utterance]
    differences: Sequence[str]
    broken: Mapping[Path, str]
    wordless: Sequence[str]

    @classmethod
    def of(
        cls, name: str, card: Card, read: Sequence[Utterance], usable: Sequence[Utterance], broken: Mapping[Path, str]
    ) -> "Datasheet":
        """Build the datasheet of a corpus.

        Args:
            name: the reader's name.
            card: the corpus's card.
            read: all utterances from the reader; their counts are compared with the card.
            usable: the utterances whose recordings can be used.
            broken: file -> the fault, for the other recordings.
        """
        kept = [utterance for utterance in usable if utterance.audio is not None or utterance.transcript]
        wordless = [utterance.id for utterance in usable if utterance.audio is None and not utterance.transcript]
        return cls(name, card, kept, differences(card, read), broken, wordless)

    @property
    def speakers(self) -> int:
        """Number of identified speakers."""
        return len({utterance.speaker for utterance in self.utterances} - {None})

    @property
    def hours(self) -> float:
        """Total duration in hours of the recordings whose length is known."""
        return sum(utterance.duration or 0.0 for utterance in self.utterances) / 3600

    @property
    def missing(self) -> list[str]:
        """What the corpus or its copy lacks, one line each; broken recordings are not included."""
        total, lines = len(self.utterances), []
        for what, count in (
            ("recording", sum(u.audio is None for u in self.utterances)),
            ("transcript", sum(not u.transcript for u in self.utterances)),
            ("emotion", sum(u.emotion is None for u in self.utterances)),
            ("speaker", sum(u.speaker is None for u in self.utterances)),
            ("split", sum(u.split is None for u in self.utterances)),
        ):
            if count:
                lines.append(f"no {what}: {'all' if count == total else f'{count:,} of'} {total:,} utterances")
        if self.wordless:
            lines.append(f"left out, with neither recording nor transcript: {len(self.wordless):,}")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; apart from the names of broken files it does not depend on the corpus's folder."""
        return {
            "corpus": self.name,
            "title": self.card.title,
            "origin": self.card.origin,
            "licence": self.card.licence,
            "citation": self.card.citation,
            "notes": list(self.card.notes),
            "utterances": len(self.utterances),
            "hours": round(self.hours, 4),
            "speakers": self.speakers,
            "languages": _count_values(u.language for u in self.utterances),
            "genders": _count_values(u.gender for u in self.utterances),
            "splits": _count_values(u.split for u in self.utterances),
            "emotions": _count_values(u.emotion for u in self.utterances),
            "rated": {key: sum(getattr(u, key) is not None for u in self.utterances) for key in _RATINGS},
            "scales": {key: list(ends) for key, ends in self.card.scales.items()},
            "differences": list(self.differences),
            "missing": self.missing,
            "broken": {str(file): line for file, line in self.broken.items()},
            "wordless": list(self.wordless),
        }

    def to_markdown(self) -> str:
        """Return the datasheet as Markdown: head, classes, splits, licence, what is missing."""
        return (
            "\n".join([*self._head(), *self._classes(), *self._splits(), *self._conditions(), *self._missing_lines()])
            + "\n"
        )

    def _head(self) -> Iterator[str]:
        languages = ", ".join(sorted({u.language for u in self.utterances if u.language})) or "not stated"
        yield f"# {self.card.title}\n"
        speakers = f"{self.speakers:,} speakers" if self.speakers else "no speakers named"
        hours = f"{self.hours:.2f} hours" if self.hours else "no recordings"
        yield f"{len(self.utterances):,} utterances, {hours}, {speakers}, languages: {languages}.\n"
        genders = Counter(utterance.gender for utterance in self.utterances)
        if genders["female"] + genders["male"]:
            women, men = f"women {genders['female']:,}", f"men {genders['male']:,}"
            yield f"Spoken by {women}, {men}, not stated {genders[None]:,}.\n"
        rated = [line for key in _RATINGS if (line := self._rating_text(key))]
        if rated:
            yield f"Also rated: {', '.join(rated)}.\n"

    def _rating_text(self, key: str) -> str:
        """Format `valence (10,039, on 1 to 5)`; values outside the scale are counted and not changed."""
        values = [value for utterance in self.utterances if (value := getattr(utterance, key)) is not None]
        if not values:
            return ""
        if key not in self.card.scales:
            return f"{key} ({len(values):,})"
        low, high = self.card.scales[key]
        strays = sum(not low <= value <= high for value in values)
        return f"{key} ({len(values):,}, on {low:g} to {high:g}{f', {strays:,} outside it' if strays else ''})"

    def _classes(self) -> Iterator[str]:
        counts = Counter(utterance.emotion for utterance in self.utterances)
        labelled = sum(counts.values()) - counts[None]
        if not labelled:
            return
        yield "| emotion | utterances | share |\n|---|---:|---:|"
        for emotion in sorted(counts.keys() - {None}, key=lambda name: (-counts[name], _ORDER.index(name))):
            yield f"| {emotion} | {counts[emotion]:,} | {counts[emotion] / labelled:.1%} |"
        if counts[None]:
            yield f"| (no label) | {counts[None]:,} | |"
        yield ""

    def _splits(self) -> Iterator[str]:
        if not any(utterance.split for utterance in self.utterances):
            return
        yield "| split | utterances | hours | speakers |\n|---|---:|---:|---:|"
        for split in (*SPLITS, None):
            part = [utterance for utterance in self.utterances if utterance.split == split]
            if part:
                hours = sum(utterance.duration or 0.0 for utterance in part) / 3600
                speakers = len({utterance.speaker for utterance in part} - {None})
                cells = (split or "(none)", f"{len(part):,}", f"{hours:.2f}" if hours else "", speakers or "")
                yield f"| {' | '.join(map(str, cells))} |"
        yield ""

    def _conditions(self) -> Iterator[str]:
        yield f"- Licence: {self.card.licence}."
        yield f"- Origin: {self.card.origin}"
        yield f"- Cite: {self.card.citation}."
        for note in self.card.notes:
            yield f"- Note: {note}"
        yield ""

    def _missing_lines(self) -> Iterator[str]:
        yield "## What is missing\n"
        lines = [*self.differences, *self.missing]
        yield from (f"- {line}" for line in lines)
        if self.broken:
            yield f"- recordings left out: {len(self.broken):,}, namely"
            yield from (f"    - {line}" for line in self.broken.values())
        if not lines and not self.broken:
            yield "Nothing: every count is that of the complete corpus, and every recording can be opened."


_RATINGS = ("valence", "arousal", "dominance", "votes")


def _count_values(values: Iterator[str | None]) -> dict[str, int]:
    """Count the values, the most frequent first; `none` is a missing value."""
    return {value or "none": count for value, count in Counter(values).most_common()}
