"""Build the systems for the benchmark: published shapes with random weights and a tokenizer trained on the spot.

Nothing is downloaded. The weights repeat one block of noise, which fills gigabytes in a second; drawing them would take
a minute. The answers of such a system are meaningless, but its cost is that of the published one.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor
from transformers.initialization import no_init_weights

from bench.sizes import Setting
from emosllm.inference.loader import make_ready
from emosllm.labels import LABEL_SETS
from emosllm.models.backbones import config_of, load_config, new_encoder, new_llm
from emosllm.models.checkpoints.config import SpeechHeadConfig, SpeechLLMConfig
from emosllm.models.encoders.encoder import family
from emosllm.models.llms.lora import merge_lora
from emosllm.models.mappers.qp import QPMapperPart
from emosllm.models.speech_head import SpeechHead
from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.audio_vectors import AudioVectors
from emosllm.prompting.processor import SpeechProcessor
from emosllm.prompting.prompt_template import load_templates
from emosllm.recipe import Recipe, load_recipe
from emosllm.utterance import Utterance

_SPECIAL = ("<pad>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
_TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
_BLOCK = 1_000_003  # a prime, so that no two rows of a matrix begin with the same values
_VOCABULARY = 444  # at this size EmoSLLM's rows come out about as long as with Llama's tokenizer and the paper's prompt

#: Spoken sentences, about as long as those of the corpora.
SENTENCES = (
    "the harvest was late that year",
    "nobody had thought of the barn",
    "she put the letter back and went out",
    "we will be there before the rain",
    "tell them that the road is closed",
    "it was the last train of the day",
    "he never said a word about it",
    "there is a light in the upper window",
)


@lru_cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Train a byte-level BPE that has longer tokens for the text after the clip than for the system prompt.

    Their lengths are therefore those of the paper: about 320 tokens before the clip and 104 after it.
    """
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    templates = load_templates("default")
    options = ", ".join(templates.option(name) for name in LABEL_SETS["msp9"].names)
    lines = [line for lines in templates.tasks.values() for line in lines]
    lines += [f"Emotion codes: {options}.", "The reply must look like this:"] * 5
    lines += [f"| ASR: kids | Emotion: {letter} |" for letter in "ASHUFDCNO" * 20]
    inner.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<|end|>", chat_template=_TEMPLATE
    )


def speech_system(
    setting: Setting, layers: int, embeddings: float = 0.02, *changes: str
) -> tuple[SpeechLLM, SpeechProcessor]:
    """Build EmoSLLM with an LLM of Llama-3.2-1B's shape.

    Args:
        setting: size and device.
        layers: of the LLM.
        embeddings: their spread. Large ones dominate the layers, so that the next token is clearly the last one again
            and rounding changes nothing: for cases that generate.
        *changes: of the recipe.
    """
    sizes = setting.sizes
    mapper = QPMapperPart(kind="qp", dropout=0.0, **sizes.mapper)
    recipe = load_recipe("emosllm", changes).model_copy(update={"mapper": mapper})
    llm = _config("meta-llama/Llama-3.2-3B-Instruct", "llm", {**sizes.llm, "num_hidden_layers": layers})
    encoder_config = _config("microsoft/wavlm-large", "encoder", sizes.wavlm) if recipe.encoder else None
    model = _build(recipe, setting, llm, encoder_config, embeddings)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True) if encoder_config else None
    vectors = AudioVectors(fixed=mapper.queries) if encoder_config else AudioVectors()
    return model, SpeechProcessor.build(recipe, extractor, tokenizer(), vectors)


def with_multi_token_labels(processor: SpeechProcessor) -> SpeechProcessor:
    """The same processor with emotions named by words, which this tokenizer splits into several tokens."""
    words = {name: name.capitalize() for name in processor.labels.names}
    assert processor.settings.templates is not None
    templates = processor.settings.templates.model_copy(update={"words": words})
    settings = processor.settings.model_copy(update={"templates": templates})
    return SpeechProcessor(processor.feature_extractor, processor.tokenizer, settings)


def with_longer_prompt(processor: SpeechProcessor, times: int) -> SpeechProcessor:
    """The same processor with the system prompt repeated several times."""
    assert processor.settings.templates is not None
    system = "\n".join([processor.settings.templates.system] * times)
    templates = processor.settings.templates.model_copy(update={"system": system})
    settings = processor.settings.model_copy(update={"templates": templates})
    return SpeechProcessor(processor.feature_extractor, processor.tokenizer, settings)


def head_system(setting: Setting) -> tuple[SpeechHead, SpeechProcessor]:
    """WavLM with a classifier and no LLM."""
    recipe = load_recipe("head-wavlm", ("head.dropout=0.0",))  # so that both ways can be compared
    encoder_config = _config("microsoft/wavlm-large", "encoder", setting.sizes.wavlm)
    with no_init_weights():
        encoder = new_encoder(encoder_config, setting.sizes.dtype).eval()
        _fill(encoder, 0.02)
    _mark_loaded(encoder)
    torch.manual_seed(0)
    config = SpeechHeadConfig(recipe=recipe.model_dump(mode="json"), encoder_config=encoder_config.to_dict())
    model = SpeechHead(config, encoder).to(setting.device)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    return model, SpeechProcessor.build(recipe, extractor, None, AudioVectors())


class PairOfSystems:
    """One system twice with the same weights: as published, and as emosllm prepares it for inference.

    Each is built on first use, so that a process that runs one implementation holds one system.

    Args:
        build: creates the system.
    """

    def __init__(self, build: Callable[[], tuple[SpeechLLM, SpeechProcessor]]) -> None:
        self._build = build
        self._spare: SpeechLLM | None
        self._spare, self.processor = build()

    @cached_property
    def published(self) -> SpeechLLM:
        """The system with LoRA merged and nothing trained."""
        model = self._take()
        merge_lora(model)
        return model.eval().requires_grad_(False)

    @cached_property
    def ready(self) -> SpeechLLM:
        """The same system with weights in the processor's layout."""
        model = self._take()
        make_ready(model, model.device)
        return model

    def weight_bytes(self, has_audio: bool, generated: int = 0) -> int:
        """The least bytes of weights that a batch must read.

        Args:
            has_audio: whether the encoder runs, too.
            generated: number of tokens that are generated before the emotion; each reads the layers and the output
                layer.
        """
        model = self._spare
        assert model is not None, "no system has been built yet"
        layers, output = _bytes(model.llm.get_decoder().layers), _bytes(model.get_output_embeddings())
        encoder_bytes = _bytes(model.encoder) if has_audio and model.encoder is not None else 0
        mapper = _bytes(model.mapper) if model.mapper is not None else 0
        return encoder_bytes + mapper + (1 + generated) * layers + generated * output

    def _take(self) -> SpeechLLM:
        model, self._spare = self._spare or self._build()[0], None
        return model


def text_only(setting: Setting, layers: int) -> tuple[SpeechLLM, SpeechProcessor]:
    """The same LLM, LoRA and prompts, with the transcript in place of the clip."""
    recipe = load_recipe("emosllm")
    prompt = recipe.prompt and recipe.prompt.model_copy(update={"transcript": True})
    phases = {"p3": recipe.phases["p3"].model_copy(update={"learns": ("lora",), "tasks": {"ser": 1.0}})}
    inference = recipe.inference.model_copy(update={"strategy": "ser"})
    changes = {"encoder": None, "mapper": None, "prompt": prompt, "phases": phases, "inference": inference}
    recipe = recipe.model_copy(update=changes)
    llm = _config("meta-llama/Llama-3.2-3B-Instruct", "llm", {**setting.sizes.llm, "num_hidden_layers": layers})
    model = _build(recipe, setting, llm, None, 0.02)
    return model, SpeechProcessor.build(recipe, None, tokenizer(), AudioVectors())


def whisper_gemma(setting: Setting) -> tuple[SpeechLLM, SpeechProcessor]:
    """THAU-UPM's system: each of Whisper's 1500 frames is an input vector of Gemma."""
    recipe = load_recipe("whisper-gemma")
    encoder_config = _config("openai/whisper-large-v3", "encoder", setting.sizes.whisper)
    changes = setting.sizes.gemma | ({"num_hidden_layers": setting.layers} if setting.layers else {})
    model = _build(recipe, setting, _config("google/gemma-2b", "llm", changes), encoder_config, 0.02)
    extractor = WhisperFeatureExtractor(feature_size=encoder_config.num_mel_bins)
    vectors = AudioVectors(convolutions=family(encoder_config).convolutions(encoder_config))
    return model, SpeechProcessor.build(recipe, extractor, tokenizer(), vectors)


def synthetic_clip(seconds: float, seed: int) -> np.ndarray:
    """Synthesize a signal similar to a voice, `[T]` at 16 kHz: harmonics with vibrato, syllables, a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 16_000)) / 16_000
    pitch = 110 + 90 * rng.random() + 12 * np.sin(2 * np.pi * (2 + rng.random()) * t)
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    tones = sum(np.sin(k * phase) / k for k in range(1, 10))
    syllables = 0.2 + np.clip(np.sin(2 * np.pi * 2.1 * t + rng.random()), 0, 1)
    return (0.08 * syllables * tones + 0.002 * rng.standard_normal(len(t))).astype(np.float32)


def write_utterance(folder: Path, number: int, seconds: float, emotions: Sequence[str] = ("neutral",)) -> Utterance:
    """Write a `synthetic_clip` to disk, as an utterance of one of the sentences with one of the emotions."""
    path = folder / f"{number}.wav"
    soundfile.write(path, synthetic_clip(seconds, number), 16_000)
    sentence, emotion = SENTENCES[number % len(SENTENCES)], emotions[number % len(emotions)]
    return Utterance(str(number), path, transcript=sentence, emotion=emotion, split="train", duration=seconds)


def _bytes(part: nn.Module) -> int:
    """The bytes of a part's weights, without adapters, which are merged."""
    return sum(parameter.nbytes for name, parameter in part.named_parameters() if ".lora_" not in name)


def _config(name: str, part: Any, changes: dict[str, Any]) -> Any:
    ids = {} if part == "encoder" else {"bos_token_id": None, "eos_token_id": 4, "pad_token_id": 0}
    return config_of({**load_config(name, part).to_dict(), **changes, **ids})


def _build(recipe: Recipe, setting: Setting, llm_config: Any, encoder_config: Any, embeddings: float) -> SpeechLLM:
    shapes = {"llm_config": llm_config.to_dict()} | (
        {"encoder_config": encoder_config.to_dict()} if encoder_config else {}
    )
    config = SpeechLLMConfig(recipe=recipe.model_dump(mode="json"), **shapes)
    with no_init_weights():
        llm = new_llm(llm_config, setting.sizes.dtype)
        llm.tie_weights()
        encoder = new_encoder(encoder_config, setting.sizes.dtype) if encoder_config else None
        _fill(llm, 0.02 if embeddings == 0.02 else 0.01)
        _fill_one(llm.get_input_embeddings().weight, embeddings, 1)
        if encoder is not None:
            _fill(encoder.eval(), 0.02)
    _mark_loaded(llm)
    if encoder is not None:
        _mark_loaded(encoder)
    torch.manual_seed(0)
    model = SpeechLLM(config, encoder, llm)
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:  # if it were zero, the adapters' other half would have no gradient
            _fill_one(parameter, 0.01, 2)
    return model.to(setting.device)


def _mark_loaded(model: PreTrainedModel) -> None:
    """Mark the weights as loaded; otherwise transformers would initialise them again."""
    for parameter in model.parameters():
        parameter._is_hf_initialized = True


def _fill(model: PreTrainedModel, spread: float) -> None:
    for number, (name, parameter) in enumerate(model.named_parameters()):
        if parameter.dim() > 1:
            _fill_one(parameter, spread, number)
        else:
            parameter.data.fill_(1.0 if name.endswith("norm.weight") else 0.0)


@torch.no_grad()
def _fill_one(parameter: nn.Parameter, spread: float, seed: int) -> None:
    """Fill a weight with repetitions of the noise block, from a different start for each."""
    block = _noise().to(parameter.dtype).roll(7919 * seed) * spread
    flat = parameter.view(-1)
    for start in range(0, len(flat), _BLOCK):
        piece = flat[start : start + _BLOCK]
        piece.copy_(block[: len(piece)])


@lru_cache
def _noise() -> torch.Tensor:
    return torch.randn(_BLOCK, generator=torch.Generator().manual_seed(0))
