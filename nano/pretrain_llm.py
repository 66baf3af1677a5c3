"""Pretrain nano's language model, a small Llama, and its tokenizer on plain text and on conversations.

The training text has three kinds: plain sentences; conversations in which the prompt contains the transcript and the
answer repeats it, which train copying and the answer's format before speech is used; and conversations that ask for the
emotion of a sentence of GoEmotions. Limitation: with 2 million weights the model has little world knowledge.

    python -m nano.pretrain_llm --data MANIFEST --text FOLDER --out FOLDER
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import track
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers import get_cosine_schedule_with_warmup as cosine

from emosllm.files import atomic_folder
from emosllm.labels import LETTERS
from emosllm.models.llms.llm import output_logits, read_prefix, read_rows, repeat_cache
from emosllm.prompting.audio_vectors import AudioVectors
from emosllm.prompting.conversation import Conversation
from emosllm.prompting.processor import IGNORED, Sample, SpeechProcessor
from emosllm.prompting.prompt_template import load_templates
from emosllm.recipe import load_recipe
from emosllm.recipe_parts import Task
from nano.texts import Line, goemotions, transcripts

VOCABULARY = 2048
SPECIAL = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
BLOCK = 128  # tokens of plain text per row
SHAPE = {
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
}


def train_tokenizer(lines: Sequence[Line]) -> PreTrainedTokenizerFast:
    """Train byte-level BPE on prompts and sentences; each emotion's letter is one token."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    templates = load_templates("default")
    prompts = [templates.system, *(prompt for prompts in templates.tasks.values() for prompt in prompts)]
    answers = [f"| ASR: so | Emotion: {letter} |" for letter in LETTERS.values()]
    inner.train_from_iterator([*prompts * 20, *answers * 200, *(f" {line.text}" for line in lines)], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[1],
        additional_special_tokens=list(SPECIAL[2:]),
        chat_template=TEMPLATE,
    )


def reading_loss(llm: LlamaForCausalLM, stream: Tensor, rng: np.random.Generator, rows: int) -> Tensor:
    """Compute the next-token loss on random segments of a long text `[N]`."""
    starts = rng.integers(0, len(stream) - BLOCK, rows)
    block = torch.stack([stream[start : start + BLOCK] for start in starts])
    return llm(input_ids=block, labels=block).loss


def answering_loss(
    llm: LlamaForCausalLM, processor: SpeechProcessor, lines: Sequence[Line], rng: np.random.Generator
) -> Tensor:
    """Compute the loss of the answers in conversations whose prompts contain the sentences."""
    batch = processor([Sample(_conversation(processor, line, rng)) for line in lines])
    cache = repeat_cache(read_prefix(llm, batch["prefix_ids"]), len(lines))
    hidden, _ = read_rows(llm, llm.get_input_embeddings()(batch["input_ids"]), batch["attention_mask"], cache)
    answer = batch["labels"][:, 1:] != IGNORED
    return nn.functional.cross_entropy(output_logits(llm, hidden[:, :-1][answer]), batch["labels"][:, 1:][answer])


def _conversation(processor: SpeechProcessor, line: Line, rng: np.random.Generator) -> Conversation:
    felt: tuple[Task, ...] = ("ser", "joint")
    task = "asr" if line.emotion is None else felt[int(rng.integers(2))]
    return processor.build_conversation(
        task, audio=False, transcript=line.text, hint=line.text, emotion=line.emotion, rng=rng
    )


def main(
    data: Annotated[Path, typer.Option(help="Manifest with transcripts.")],
    text: Annotated[Path, typer.Option(help="Folder of GoEmotions: train.tsv, labels.txt.")],
    out: Annotated[Path, typer.Option(help="Folder for the language model.")],
    steps: int = 1200,
    rows: int = 12,
    learning_rate: float = 2e-3,
    seed: int = 0,
    threads: int = 1,
) -> None:
    """Train tokenizer and language model."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    began = time.monotonic()
    spoken, written = transcripts(data), goemotions(text)
    tokenizer = train_tokenizer([*spoken * 20, *written])
    processor = SpeechProcessor.build(load_recipe("nano"), None, tokenizer, AudioVectors())
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    llm = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **SHAPE, **ids))
    order = [*spoken * 10, *written]
    texts = [f" {order[index].text}{tokenizer.eos_token}" for index in rng.permutation(len(order))]
    stream = torch.tensor([token for ids in tokenizer(texts, add_special_tokens=False)["input_ids"] for token in ids])
    usable = [*spoken * 10, *(line for line in written if line.emotion and len(line.text) < 120)]
    optimiser = torch.optim.AdamW(llm.parameters(), lr=learning_rate, weight_decay=0.05, betas=(0.9, 0.95))
    schedule = cosine(optimiser, steps // 20, steps)
    losses: list[tuple[float, float]] = []
    for _ in track(range(steps), "text"):
        reading = reading_loss(llm, stream, rng, rows)
        answering = answering_loss(llm, processor, [usable[i] for i in rng.integers(0, len(usable), rows)], rng)
        (reading + answering).backward()
        nn.utils.clip_grad_norm_(llm.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        losses.append((reading.item(), answering.item()))
    ends = np.mean(losses[-50:], axis=0).round(3).tolist()
    with atomic_folder(out, marker="config.json") as folder:
        llm.half().save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        notes = {"steps": steps, "rows": rows, "learning_rate": learning_rate, "seed": seed, "reading_loss": ends[0]}
        notes |= {"answering_loss": ends[1], "seconds": round(time.monotonic() - began), "sentences": len(order)}
        (folder / "pretraining.json").write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")
    print(f"{out}: reading loss {ends[0]}, answering loss {ends[1]}, {notes['seconds']} s")


if __name__ == "__main__":
    typer.run(main)
