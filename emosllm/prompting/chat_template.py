"""Convert conversations to token ids with the tokenizer's chat template, a gap for audio, and the kind of each token.

For a template without a system role, the system text is put at the start of the user's turn. A tokenizer without a
template uses plain paragraphs. `add_generation_prompt` is not used: the text before and after the answer comes from one
rendering with a placeholder answer, so the prompts of training and inference have identical tokens.
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

_KEPT = 256  # cache size in entries; texts of a prompt's length take less than a megabyte
_ANSWER = "\N{NULL}answer\N{NULL}"
_PLAIN = (
    "{% for message in messages %}{{ message['content'] }}"
    "{{ '\n' if message['role'] == 'assistant' else '\n\n' }}{% endfor %}"
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of one row: before the clip, after the clip, and the kind of each token after it.

    Attributes:
        head: ids before the audio vectors; without audio, the whole prompt.
        tail: ids after the audio vectors; without audio, the answer.
        kinds: kind of answer of each id of `tail`; `None` for ids of the prompt.
        audio: whether there is a clip between `head` and `tail`.
    """

    head: tuple[int, ...]
    tail: tuple[int, ...]
    kinds: tuple[Kind | None, ...] = field(repr=False)
    audio: bool


class Chat:
    """Convert conversations to `Tokens` with one tokenizer.

    Args:
        tokenizer: any fast tokenizer of transformers.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.is_fast:
            raise UserError(f"{tokenizer.name_or_path} has no fast tokenizer (tokenizer.json), which is needed here")
        self.tokenizer = tokenizer
        self.template = tokenizer.chat_template or _PLAIN
        self._system_role = self._supports_system()
        self._check_template()
        self._markup = _markup(tokenizer)
        # Few different prompts and answers occur, so their renderings and token ids are cached.
        self._rendered: dict[tuple[str, str], tuple[str, str]] = {}
        self._heads: dict[str, list[int]] = {}
        self._answers: dict[tuple[str, tuple[Span, ...]], tuple[list[int], list[Kind | None]]] = {}

    def check_tokens(self, tokens: Sequence[str]) -> None:
        """Refuse a tokenizer that lacks special tokens of the prompts.

        Raises:
            UserError: one of them is not a single token of the tokenizer.
        """
        for token in tokens:
            if len(self._ids(token)) != 1 or token not in self.tokenizer.get_vocab():
                raise UserError(
                    f"{self.tokenizer.name_or_path}: the tokenizer has no {token}, which the prompts contain; take the "
                    "model's own tokenizer, or other prompts (prompt.templates)"
                )

    def encode(self, conversation: Conversation, closed: bool = True) -> Tokens:
        """Convert a conversation to tokens.

        Args:
            conversation: prompt and answer; the answer may be incomplete.
            closed: whether the assistant's turn ends after the answer (training) or stays open (inference).
        """
        return self._encode([conversation], closed)[0]

    def _encode(self, conversations: Sequence[Conversation], closed: bool) -> list[Tokens]:
        """Encode conversations that differ only in their answers: the prompt is rendered and tokenized once."""
        first = conversations[0]
        assert all((one.system, one.user) == (first.system, first.user) for one in conversations)
        opening, closing = _cached(self._rendered, (first.system, first.user), lambda: self._render(first))
        before, audio, after = opening.rpartition(AUDIO)
        head = _cached(self._heads, before, lambda: self._ids(before)) if audio else []
        ends = (Span(closing, "format"),) if closed else ()
        return [self._row(head, after, (*one.answer, *ends), bool(audio)) for one in conversations]

    def _row(self, head: list[int], after: str, spans: tuple[Span, ...], audio: bool) -> Tokens:
        tail, kinds = _cached(self._answers, (after, spans), lambda: self._answer(after, spans))
        if not audio:  # without audio, everything before the answer is head
            answer_start = kinds.index(next((kind for kind in kinds if kind), None)) if any(kinds) else len(tail)
            head, tail, kinds = tail[:answer_start], tail[answer_start:], kinds[answer_start:]
        return Tokens(tuple(head), tuple(tail), tuple(kinds), audio)

    def candidates(self, conversations: Sequence[Conversation]) -> tuple[Tokens, list[tuple[int, ...]]]:
        """Split answers that differ in their emotion into the common row and the token ids of each emotion.

        Args:
            conversations: the same conversation with each possible emotion in its answer.

        Returns:
            The row up to the first token in which the answers differ, and the following ids of each emotion. If the ids
            of one emotion are a prefix of another's, all include the closing text: it separates `sad` from `sadness`.
        """
        rows = self._encode(conversations, closed=True)
        tails = [row.tail for row in rows]
        ends = [max(index for index, kind in enumerate(row.kinds) if kind == "emotion") + 1 for row in rows]
        common = 0
        # At least one id must be left for each emotion.
        while common < min(ends) - 1 and all(tail[common] == tails[0][common] for tail in tails):
            common += 1
        named = [tail[common:end] for tail, end in zip(tails, ends, strict=True)]
        if any(a != b and b[: len(a)] == a for a in named for b in named):
            named = [tail[common:] for tail in tails]
        first = rows[0]
        return Tokens(first.head, first.tail[:common], first.kinds[:common], first.audio), named

    def without_special_tokens(self, text: str) -> str:
        """Replace the tokenizer's special tokens in a text, for example a transcript, by spaces (prompt injection)."""
        return self._markup.sub(" ", text)

    def _answer(self, prompt: str, spans: Sequence[Span]) -> tuple[list[int], list[Kind | None]]:
        """Ids of the rest of the prompt and of the answer, tokenized together, and the kind of each.

        A token that spans two kinds has the later one.
        """
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

    def _supports_system(self) -> bool:
        """Whether the template renders a system turn: some templates refuse it, and some omit it without an error."""
        self._system_role = True
        try:
            return "\N{NULL}probe" in self._apply(self._messages("\N{NULL}probe", "u", "a"))
        except TemplateError:
            return False

    def _check_template(self) -> None:
        """Refuse a template that cannot be rendered, or that omits the content of a turn."""
        try:
            rendered = self._apply(self._messages("s", "\N{NULL}probe", _ANSWER))
            fault = "" if "\N{NULL}probe" in rendered and _ANSWER in rendered else "it omits the text of a turn"
        except TemplateError as error:
            fault = str(error)
        if fault:
            raise UserError(
                f"{self.tokenizer.name_or_path}: the chat template cannot be used "
                f"({shorten(fault, 90, placeholder=' …')}): correct, fetch or delete chat_template.jinja"
            )

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def _cached(memory: dict[K, V], key: K, make: Callable[[], V]) -> V:
    """The cached value of a key, computed on a miss; a full cache is cleared."""
    if key not in memory:
        if len(memory) >= _KEPT:
            memory.clear()
        memory[key] = make()
    return memory[key]


def _markup(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    """A pattern of the tokens that a text must not contain: all special tokens, and tags such as <think>."""
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special or str(token)[0] in "<["]
    tokens = sorted({*tokenizer.all_special_tokens, *added}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, tokens)) or r"(?!)")
