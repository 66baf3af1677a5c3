"""Build the conversation of a task and an utterance: system text, user text with an audio marker, and answer spans.

In training every choice (wording, order of the emotions, examples, order of the cues) is drawn from a generator that
the caller seeds. Without a generator the first of each is taken, so the prompt of a clip is always the same.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from emosllm.labels import LabelSet
from emosllm.prompting.prompt_template import Templates
from emosllm.recipe_parts import PromptPart, Task

#: Marks the position of the audio vectors in the user's text. The text is split there before tokenization.
AUDIO = "\N{NULL}audio\N{NULL}"

Kind = Literal["format", "transcript", "emotion"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the answer and its kind, which sets its weight in the loss and the position of the scored emotion."""

    text: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Conversation:
    """The prompt of the LLM and the expected answer.

    Attributes:
        system: the system prompt.
        user: the user's turn; `AUDIO` marks the position of the clip.
        answer: the assistant's turn in spans; after `before` only its first spans.
    """

    system: str
    user: str
    answer: tuple[Span, ...]

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(span.text for span in self.answer)

    def before(self, kind: Kind) -> "Conversation":
        """The conversation with the answer cut before the first span of `kind`."""
        kinds = [span.kind for span in self.answer]
        return replace(self, answer=self.answer[: kinds.index(kind)])

    def with_emotion(self, code: str) -> "Conversation":
        """The conversation with another emotion in its answer."""
        spans = tuple(
            Span(span.text[: len(span.text) - len(span.text.lstrip())] + code, "emotion")
            if span.kind == "emotion"
            else span
            for span in self.answer
        )
        return replace(self, answer=spans)


def build_conversation(
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
    sanitise: Callable[[str], str] = str,
) -> Conversation:
    """Build the conversation of one utterance.

    Args:
        task: the task of the prompt.
        templates: the prompt templates; they contain all texts that the recipe needs (`Templates.check`).
        prompt: the hints that the recipe uses.
        labels: the emotions to choose from.
        audio: whether there is a clip.
        transcript: the transcript in the answer (empty where it will be generated).
        emotion: the emotion in the answer, a name of `labels`.
        hint: a transcript in the user's turn (EmoSLLM, appendix B.7, "prompt-hint").
        gender: the speaker's gender, for recipes that state it in the prompt.
        cues: cue -> its level in words, for recipes that state them in the prompt.
        rng: draws the wording; `None` takes the first of each.
        sanitise: removes special tokens from a transcript, which is untrusted text (`Chat.without_special_tokens`).
    """
    user = (templates.audio or "").replace("{audio}", AUDIO) if audio else ""
    if prompt.gender and gender and templates.gender_hint:
        user += templates.gender_hint.replace("{gender}", gender)
    if prompt.cues and cues and templates.cues_intro:
        descriptions = [templates.cue.replace("{name}", name).replace("{level}", level) for name, level in cues.items()]
        user += _one(templates.cues_intro, rng).replace("{cues}", ", ".join(_shuffled(descriptions, rng)))
    if hint and templates.transcript_hint:
        user += templates.transcript_hint.replace("{transcript}", sanitise(without_markup(hint)))
    if task != "asr" and templates.options:
        names = _shuffled(labels.names, rng if prompt.shuffle_emotions else None)
        user += templates.options.replace("{options}", ", ".join(templates.option(name) for name in names))
    user += _one(templates.tasks[task], rng)
    if prompt.examples and templates.examples_intro:
        shown = _examples(task, templates, prompt.examples, labels, rng)
        user += "\n" + templates.examples_intro.replace("{examples}", "\n".join(shown)).rstrip("\n")
    code = "" if emotion is None else templates.code(emotion)
    return Conversation(
        templates.system, user, _spans(templates.answers[task], sanitise(without_markup(transcript)), code)
    )


def without_markup(text: str) -> str:
    """A transcript as one line without markup: bars and control characters removed, spaces collapsed."""
    visible = "".join(" " if char == "|" or not char.isprintable() else char for char in text)
    return " ".join(visible.split())


def _spans(template: str, transcript: str, code: str) -> tuple[Span, ...]:
    """The answer template split at its placeholders; a space before one belongs to its span, as in tokenizers."""
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
