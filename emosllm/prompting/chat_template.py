"""Conversations as token ids: the tokenizer's own chat template, an audio gap, and the answer's tokens by kind.

A template without a system role gets the system text at the head of the user's turn; a tokenizer without any template
gets plain paragraphs. The answer is never rendered by `add_generation_prompt`: text before and after a stand-in answer
is taken from one rendering, so that what is asked at inference is to the token what was trained.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from textwrap import shorten
from typing import TypeVar

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from emosllm.errors import UserError
from emosllm.prompting.conversation import AUDIO, Conversation, Kind, Span

K = TypeVar("K")
V = TypeVar("V")

_KEPT = 256  # texts of a prompt's length: less than a megabyte
_ANSWER = "\N{NULL}answer\N{NULL}"
_PLAIN = (
    "{% for message in messages %}{{ message['content'] }}"
    "{{ '\n' if message['role'] == 'assistant' else '\n\n' }}{% endfor %}"
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row: ids before the clip, ids after it, and which of the latter are answer.

    Attributes:
        head: ids before the audio vectors; all but the answer where there is no audio.
        tail: ids after them.
        kinds: for each id of `tail`, the kind of answer token it is; `None` for the prompt's.
        audio: whether there is a clip between `head` and `tail`.
    """

    head: tuple[int, ...]
    tail: tuple[int, ...]
    kinds: tuple[Kind | None, ...] = field(repr=False)
    audio: bool


class Chat:
    """Turns conversations into `Tokens` with one tokenizer.

    Args:
        tokenizer: any fast tokenizer of transformers.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.is_fast:
            raise UserError(f"{tokenizer.name_or_path} has no fast tokenizer (tokenizer.json), which is needed here")
        self.tokenizer = tokenizer
        self.template = tokenizer.chat_template or _PLAIN
        self._system_role = self._knows_system()
        self._check_template()
        self._markup = _markup(tokenizer)
        # Tasks have few wordings, emotions fewer names, and all rows one beginning: a template and a tokenizer need not
        # see them each time.
        self._rendered: dict[tuple[str, str], tuple[str, str]] = {}
        self._heads: dict[str, list[int]] = {}
        self._answers: dict[tuple[str, tuple[Span, ...]], tuple[list[int], list[Kind | None]]] = {}

    def check_tokens(self, tokens: Sequence[str]) -> None:
        """Refuse a tokenizer that lacks special tokens which the prompts contain.

        Raises:
            UserError: one is not a single token of its own.
        """
        for token in tokens:
            if len(self._ids(token)) != 1 or token not in self.tokenizer.get_vocab():
                raise UserError(
                    f"{self.tokenizer.name_or_path}: the tokenizer has no {token}, which the prompts contain; take the "
                    "model's own tokenizer, or other prompts (prompt.templates)"
                )

    def encode(self, conversation: Conversation, closed: bool = True) -> Tokens:
        """Tokens of a conversation.

        Args:
            conversation: what is said; its answer may be only a beginning.
            closed: whether the assistant's turn ends after the answer (in training) or goes on (at inference).
        """
        return self._encode([conversation], closed)[0]

    def _encode(self, conversations: Sequence[Conversation], closed: bool) -> list[Tokens]:
        """Conversations that differ in their answers alone: what is before them is rendered and looked up once."""
        first = conversations[0]
        assert all((one.system, one.user) == (first.system, first.user) for one in conversations)
        opening, closing = _kept(self._rendered, (first.system, first.user), lambda: self._render(first))
        before, audio, after = opening.rpartition(AUDIO)
        head = _kept(self._heads, before, lambda: self._ids(before)) if audio else []
        ends = (Span(closing, "format"),) if closed else ()
        return [self._row(head, after, (*one.answer, *ends), bool(audio)) for one in conversations]

    def _row(self, head: list[int], after: str, spans: tuple[Span, ...], audio: bool) -> Tokens:
        tail, kinds = _kept(self._answers, (after, spans), lambda: self._answer(after, spans))
        if not audio:  # text alone: everything before the answer is head
            asked = kinds.index(next((kind for kind in kinds if kind), None)) if any(kinds) else len(tail)
            head, tail, kinds = tail[:asked], tail[asked:], kinds[asked:]
        return Tokens(tuple(head), tuple(tail), tuple(kinds), audio)

    def candidates(self, conversations: Sequence[Conversation]) -> tuple[Tokens, list[tuple[int, ...]]]:
        """What is common to answers that differ in their emotion, and how each goes on.

        Args:
            conversations: the same conversation with each possible emotion in its answer.

        Returns:
            The row up to where the answers part, and for each emotion the ids that name it. An emotion whose ids begin
            another's takes the closing text with it, so that `sad` can be told from `sadness`.
        """
        rows = self._encode(conversations, closed=True)
        tails = [row.tail for row in rows]
        ends = [max(index for index, kind in enumerate(row.kinds) if kind == "emotion") + 1 for row in rows]
        common = 0
        while common < min(ends) - 1 and all(tail[common] == tails[0][common] for tail in tails):  # one id is left each
            common += 1
        named = [tail[common:end] for tail, end in zip(tails, ends, strict=True)]
        if any(a != b and b[: len(a)] == a for a in named for b in named):
            named = [tail[common:] for tail in tails]
        first = rows[0]
        return Tokens(first.head, first.tail[:common], first.kinds[:common], first.audio), named

    def defused(self, text: str) -> str:
        """Text in which no special token of the tokenizer can be smuggled into the prompt, by a transcript say."""
        return self._markup.sub(" ", text)

    def _answer(self, prompt: str, spans: Sequence[Span]) -> tuple[list[int], list[Kind | None]]:
        """Ids of the prompt's rest and the answer in one go, each with its kind (the later where a token has two)."""
        text, bounds = prompt, []
        for span in spans:
            text += span.text
            bounds.append((len(text), span.kind))
        encoding = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        kinds: list[Kind | None] = []
        for _, end in encoding["offset_mapping"]:
            kinds.append(None if end <= len(prompt) else next(kind for bound, kind in bounds if end <= bound))
        return list(encoding["input_ids"]), kinds

    def _render(self, conversation: Conversation) -> tuple[str, str]:
        """The text before the answer and the text that closes the assistant's turn."""
        messages = self._messages(conversation.system, conversation.user, _ANSWER)
        opening, _, rest = self._apply(messages).rpartition(_ANSWER)
        end = self._markup.search(rest)
        return opening, rest[: end.end()] if end else (self.tokenizer.eos_token or rest)

    def _messages(self, system: str, user: str, answer: str) -> list[dict[str, str]]:
        if system and not self._system_role:
            system, user = "", f"{system}\n\n{user}"
        turns = [("system", system), ("user", user), ("assistant", answer)]
        return [{"role": role, "content": content} for role, content in turns if content]

    def _apply(self, messages: list[dict[str, str]]) -> str:
        rendered = self.tokenizer.apply_chat_template(
            messages, chat_template=self.template, tokenize=False, enable_thinking=False
        )
        return str(rendered)

    def _knows_system(self) -> bool:
        """Some templates refuse a system turn, some drop it in silence."""
        self._system_role = True
        try:
            return "\N{NULL}probe" in self._apply(self._messages("\N{NULL}probe", "u", "a"))
        except TemplateError:
            return False

    def _check_template(self) -> None:
        """Refuse a template that can't be rendered, or that drops what is said."""
        try:
            said = self._apply(self._messages("s", "\N{NULL}probe", _ANSWER))
            fault = "" if "\N{NULL}probe" in said and _ANSWER in said else "it drops what is said"
        except TemplateError as error:
            fault = str(error)
        if fault:
            raise UserError(
                f"{self.tokenizer.name_or_path}: the chat template can't be used "
                f"({shorten(fault, 90, placeholder=' …')}); mend, fetch or delete chat_template.jinja"
            )

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def _kept(memory: dict[K, V], key: K, make: Callable[[], V]) -> V:
    """What was made of a key before, or now; what many other keys have pushed out is made again."""
    if key not in memory:
        if len(memory) >= _KEPT:
            memory.clear()
        memory[key] = make()
    return memory[key]


def _markup(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    """The tokens that a text must not contain: special ones, named by the tokenizer or not, and tags like <think>."""
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special or str(token)[0] in "<["]
    tokens = sorted({*tokenizer.all_special_tokens, *added}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, tokens)) or r"(?!)")
