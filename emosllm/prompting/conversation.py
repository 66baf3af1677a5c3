"""A task and an utterance become a conversation: system and user text with a place for the audio, the answer in spans.

In training every choice (wording, order of the emotions, examples, order of the cues) is drawn from a generator that
the caller seeds; without a generator the first of each is taken, so that the same clip is always asked the same way.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from emosllm.labels import LabelSet
from emosllm.prompting.prompt_template import Templates
from emosllm.recipe_parts import PromptPart, Task

#: Stands in the user's text where the audio vectors go; split on, never shown to the tokenizer.
AUDIO = "\N{NULL}audio\N{NULL}"

Kind = Literal["format", "transcript", "emotion"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the answer and what it is, so that the loss can weigh it and the scorer can find it."""

    text: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is said to the LLM, and what it should say.

    Attributes:
        system: the system prompt.
        user: the user's turn; `AUDIO` marks the place of the clip.
        answer: the assistant's turn in spans; after `before` only a beginning of it.
    """

    system: str
    user: str
    answer: tuple[Span, ...]

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(span.text for span in self.answer)

    def before(self, kind: Kind) -> "Conversation":
        """The same conversation with the answer broken off where the first span of `kind` would begin."""
        kinds = [span.kind for span in self.answer]
        return replace(self, answer=self.answer[: kinds.index(kind)])

    def with_emotion(self, code: str) -> "Conversation":
        """The same conversation with another emotion in its answer."""
        spans = tuple(
            Span(span.text[: len(span.text) - len(span.text.lstrip())] + code, "emotion")
            if span.kind == "emotion"
            else span
            for span in self.answer
        )
        return replace(self, answer=spans)


def converse(
    task: Task,
    templates: Templates,
    prompt: PromptPart,
    labels: LabelSet,
    *,
    audio: bool = True,
    transcript: str = "",
    emotion: str | None = None,
    hint: str | None = None,
    gender: str | None = None,
    cues: Mapping[str, str] | None = None,
    rng: np.random.Generator | None = None,
    defuse: Callable[[str], str] = str,
) -> Conversation:
    """Put one utterance into words.

    Args:
        task: what is asked.
        templates: the wording; it has what the recipe wants said (`Templates.check`).
        prompt: which hints the recipe gives.
        labels: the emotions to choose from.
        audio: whether there is a clip.
        transcript: what the answer's transcript should say (empty where it is to be generated).
        emotion: what the answer's emotion should be, a name of `labels`.
        hint: a transcript to give in the user's turn (EmoSLLM, appendix B.7, "prompt-hint").
        gender: the speaker's, where the recipe wants it told.
        cues: cue -> its level in words, where the recipe wants them told.
        rng: draws the wording; `None` takes the first of each.
        defuse: makes a text harmless that was not written by us (`Chat.defused`): transcripts come from anywhere.
    """
    user = (templates.audio or "").replace("{audio}", AUDIO) if audio else ""
    if prompt.gender and gender and templates.gender_hint:
        user += templates.gender_hint.replace("{gender}", gender)
    if prompt.cues and cues and templates.cues_intro:
        told = [templates.cue.replace("{name}", name).replace("{level}", level) for name, level in cues.items()]
        user += _one(templates.cues_intro, rng).replace("{cues}", ", ".join(_shuffled(told, rng)))
    if hint and templates.transcript_hint:
        user += templates.transcript_hint.replace("{transcript}", defuse(plain(hint)))
    if task != "asr" and templates.options:
        names = _shuffled(labels.names, rng if prompt.shuffle_emotions else None)
        user += templates.options.replace("{options}", ", ".join(templates.option(name) for name in names))
    user += _one(templates.tasks[task], rng)
    if prompt.examples and templates.examples_intro:
        shown = _examples(task, templates, prompt.examples, labels, rng)
        user += "\n" + templates.examples_intro.replace("{examples}", "\n".join(shown)).rstrip("\n")
    code = "" if emotion is None else templates.code(emotion)
    return Conversation(templates.system, user, _spans(templates.answers[task], defuse(plain(transcript)), code))


def plain(text: str) -> str:
    """A transcript as one line that cannot be mistaken for markup: no bars, no control characters, spaces folded."""
    visible = "".join(" " if char == "|" or not char.isprintable() else char for char in text)
    return " ".join(visible.split())


def _spans(template: str, transcript: str, code: str) -> tuple[Span, ...]:
    """The answer template cut at its placeholders; a space before one goes with it, as tokenizers have it."""
    fields: Mapping[str, tuple[Kind, str]] = {
        "{transcript}": ("transcript", transcript),
        "{emotion}": ("emotion", code),
    }
    spans = []
    for piece in re.split(r"( ?\{(?:transcript|emotion)\})", template):
        field = piece.lstrip(" ")
        kind, value = fields.get(field, ("format", field))
        spans.append(Span(piece.replace(field, value), kind))
    return tuple(span for span in spans if span.text)


def _examples(
    task: Task, templates: Templates, count: int, labels: LabelSet, rng: np.random.Generator | None
) -> list[str]:
    usable = [(text, emotion) for text, emotion in templates.examples if emotion in labels.names]
    chosen = _shuffled(usable, rng)[:count]
    return [
        templates.answers[task].replace("{transcript}", text).replace("{emotion}", templates.code(emotion))
        for text, emotion in chosen
    ]


def _one(choices: Sequence[T], rng: np.random.Generator | None) -> T:
    return choices[0 if rng is None else int(rng.integers(len(choices)))]


def _shuffled(items: Sequence[T], rng: np.random.Generator | None) -> list[T]:
    return list(items) if rng is None else [items[index] for index in rng.permutation(len(items))]
