"""Every packaged recipe states its source, has the stated number of parameters and learns; typos list known keys."""

import re

import pytest
import tiny
import torch
import yaml
from refusals import refusal

from emosllm.corpora import READERS
from emosllm.errors import UserError
from emosllm.models.build import build_empty, build_model, build_processor
from emosllm.models.description import downloads
from emosllm.prompting.processor import Sample
from emosllm.recipe import Recipe, dump, load_recipe, parse, recipe_names
from emosllm.recipe_parts import EncoderPart, LoraPart, TrainingPart
from emosllm.training.run import set_trainable

TINY_PARTS = {
    "emosllm-qwen3-4b": {"llm_name": "qwen3"},
    "emosllm-wav2vec2": {"encoder_name": "wav2vec2-large"},
    "nano": {"encoder_name": "whisper"},
}


def test_the_papers_systems_are_there():
    assert {"emosllm", "emosllm-12m5", "emosllm-qwen3-4b", "emosllm-wav2vec2", "nano"} <= set(recipe_names())
    assert not any(name.startswith("_") for name in recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_called_as_its_file_and_says_where_it_comes_from(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.source
    assert recipe.title
    fetched = {model for model in recipe.models if not model.startswith("builtin:")}
    assert fetched == set(downloads(recipe)), "size and licence of each"


@pytest.mark.parametrize("name", recipe_names())
def test_printed_and_read_back_it_is_the_same(name):
    recipe = load_recipe(name)
    assert parse(yaml.safe_load(dump(recipe)), name) == recipe
    assert parse(recipe.model_dump(mode="json"), name) == recipe


@pytest.mark.parametrize("name", recipe_names())
def test_a_printed_recipe_is_a_recipe_file(tmp_path, name):
    (tmp_path / "mine.yaml").write_text(dump(load_recipe(name)), encoding="utf-8")
    assert load_recipe(tmp_path / "mine.yaml") == load_recipe(name)


STATED = {
    "emosllm": 22_424_320,
    "emosllm-12m5": 12_561_152,
    "emosllm-wav2vec2": 22_424_320,
    "emosllm-qwen3-4b": 26_388_736,
    "gemma-text": 156_893_184,
    "whisper-gemma": 1280 * 2048 + 2048,
    "emo2vec-gemma": 768 * 2048 + 2048,
    "qwen-audio-chat": 32 * 3 * 64 * 2 * 4096,
    "qwen2-audio": 0,
    "aa-sllm": 4_194_304,
    "aa-sllm-all-linear": 19_988_480 + 8 * (1280 + 4096),
    "head-wavlm": 5_256_708,
    "head-wav2vec2": 5_256_708,
    "head-hubert": 5_256_708,
    "head-whisper": 5_256_708 + 1280 * 1024 + 1024,
    "head-emotion2vec": 5_256_708 + 768 * 1024 + 1024,
    "emotion2vec": 0,
}


@pytest.mark.parametrize("name", recipe_names())
def test_what_learns_has_the_stated_count(name):
    recipe = load_recipe(name)
    assert recipe.trainable == STATED.get(name, recipe.trainable)
    model = build_empty(recipe)
    set_trainable(model, sorted(recipe.trained_parts), lora_trained=True)
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    held = sum(parameter.numel() for parameter in model.parameters() if parameter.device.type != "meta")
    assert held < 10_000  # transformers makes one vector of some encoders without asking where
    assert recipe.trainable in (None, learning)


@pytest.mark.parametrize("name", [name for name in recipe_names() if name == "nano" or name.startswith("emosllm")])
def test_built_tiny_it_learns(tmp_path, name):
    shallow = ["encoder.layers=[1, 2]"] if name == "nano" else []  # the tiny encoder has two layers
    recipe = tiny.recipe(tmp_path, name, "prompt.examples=0", *shallow, **TINY_PARTS.get(name, {}))
    torch.manual_seed(0)
    model, processor = build_model(recipe).train(), build_processor(recipe)
    samples = [
        Sample(processor.build_conversation("joint", transcript=text, emotion=emotion), tiny.clip(0.4, seed))
        for seed, (text, emotion) in enumerate((("Yes.", "happy"), ("No, never!", "angry")))
    ]
    batch = processor(samples)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=1e-2)
    losses = []
    for _ in range(8):
        loss = model(**batch).loss
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < losses[0] - 0.1


def test_the_published_hyperparameters():
    recipe = load_recipe("emosllm")
    assert (recipe.lora.rank, recipe.lora.alpha) == (8, 16)
    assert (recipe.mapper.queries, recipe.mapper.layers, recipe.mapper.heads, recipe.mapper.width) == (32, 2, 8, 768)
    assert [phase.learns for phase in recipe.phases.values()] == [("mapper",), ("mapper", "lora"), ("mapper", "lora")]
    assert [set(phase.tasks) for phase in recipe.phases.values()] == [{"asr"}, {"asr"}, {"joint"}]
    for phase in recipe.phases.values():
        optimiser = phase.optimiser
        assert (optimiser.learning_rate, optimiser.weight_decay, optimiser.warmup) == (5e-4, 0.01, 0.1)
        assert (optimiser.batch_size, optimiser.schedule) == (512, "linear")


@pytest.mark.parametrize(
    ("override", "where", "known"),
    [
        ("labls=msp9", "labls", Recipe),
        ("encoder.modell=x", "encoder.modell", EncoderPart),
        ("lora.rnak=4", "lora.rnak", LoraPart),
        ("training.seeed=1", "training.seeed", TrainingPart),
    ],
)
def test_an_unknown_key_is_answered_with_the_known_ones(override, where, known):
    message = refusal(load_recipe, "emosllm", [override])
    assert message.endswith(f"recipe emosllm: unknown key '{where}'; known here: {', '.join(known.model_fields)}")


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("phases.p1.lr=1", "unknown key 'phases.p1.lr'; known here: learns, tasks, corpora, epochs, "),
        ("phases.p3.optimiser.lr=1", "unknown key 'phases.p3.optimiser.lr'; known here: learning_rate, weight_decay, "),
        ("training.augmentation={gian: 3}", "unknown key 'training.augmentation.gian'; known here: speed_p, "),
    ],
)
def test_an_unknown_key_deep_inside_is_answered_with_those_of_its_place(override, match):
    assert re.search(match, refusal(load_recipe, "emosllm", [override]))


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("lora.rank=0", "lora.rank: .*greater than or equal to 1, not 0"),
        ("lora.rank=many", "lora.rank: .*integer.*, not 'many'"),
        ("lora=3", "lora: .*, not 3"),
        ("mapper.heads=7", "mapper: mapper.width 768 is not a multiple of mapper.heads 7"),
        ("labels=emotions", "unknown label set 'emotions': known are msp9, "),
        ("inference.transcribes=perhaps", "inference.transcribes: .*not 'perhaps'"),
        ("inference.strategy=guess", "inference.strategy: .*'transcript-first', not 'guess'"),
        ("phases.p1.tasks={}", r"phases.p1: phase.tasks \{\} are not shares: give each task a number above 0"),
        ("phases.p1.tasks={asr: 0}", "are not shares"),
        ("phases.p1.tasks={asrr: 1}", "phases.p1.tasks.asrr.*'asr', 'ser' or 'joint'"),
        ("phases.p1.learns=[encoder]", "phases.p1.learns.0: .*, not 'encoder'"),
        ("encoder={}", "'encoder.model' is missing"),
        ("lora.rank", "override 'lora.rank' is not key=value; for example lora.rank=16"),
        ("=3", "is not key=value"),
        ("lora.targets=[a", r"override 'lora.targets=\[a': the value '\[a' is not YAML"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_place(override, match):
    assert re.search(match, refusal(load_recipe, "emosllm", [override]))


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("lora.rank=16", lambda r: r.lora.rank, 16),
        ("phases.p3.optimiser.learning_rate=5e-4", lambda r: r.phases["p3"].optimiser.learning_rate, 5e-4),
        ("phases.p3.optimiser.learning_rate=1e3", lambda r: r.phases["p3"].optimiser.learning_rate, 1000.0),
        ("phases.p3.corpora=null", lambda r: r.phases["p3"].corpora, None),
        ("phases.p3.epochs=0.5", lambda r: r.phases["p3"].epochs, 0.5),
        ("lora.targets=[q_proj]", lambda r: r.lora.targets, ("q_proj",)),
        ("prompt.cues=praat", lambda r: r.prompt.cues, "praat"),
        ("encoder.model=/a=b", lambda r: r.encoder.model, "/a=b"),
        ("mapper={queries: 4}", lambda r: (r.mapper.queries, r.mapper.width), (4, 768)),
    ],
)
def test_overrides_are_laid_over_the_recipe(override, read, value):
    assert read(load_recipe("emosllm", [override])) == value


def test_the_last_override_wins():
    assert load_recipe("emosllm", ["lora.rank=4", "lora.rank=2"]).lora.rank == 2


def test_an_override_touches_one_phase_only():
    phases = load_recipe("emosllm", ["phases.p2.optimiser.batch_size=4"]).phases
    assert [phase.optimiser.batch_size for phase in phases.values()] == [512, 4, 512]


def test_a_recipe_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_recipe("emosllm").name = "other"


@pytest.mark.parametrize("name", recipe_names())
def test_the_corpora_of_a_phase_are_named_as_their_readers_name_them(name):
    wanted = {corpus for phase in load_recipe(name).phases.values() for corpus in phase.corpora or ()}
    assert wanted <= set(READERS)


@pytest.mark.parametrize(
    ("name", "overrides", "claims"),
    [
        ("emosllm", [], True),  # phases 1 and 2 are speech recognition
        ("nano", [], False),
        ("nano", ["inference.transcribes=null"], True),
        ("qwen2-audio", [], True),
        ("whisper-gemma", [], False),
        ("gemma-text", [], False),
        ("head-wavlm", [], False),
    ],
)
def test_a_recipe_says_whether_its_system_transcribes(name, overrides, claims):
    assert load_recipe(name, overrides).transcribes is claims


def test_a_system_without_encoder_and_llm_does_not_transcribe():
    with pytest.raises(UserError, match="only a system with encoder and llm can transcribe"):
        load_recipe("head-wavlm", ["inference.transcribes=true"])


@pytest.mark.parametrize("layers", ["first", "-1", "true", "[2]", "[3, 2]", "[2, 2]", "[2, last]", "2.5"])
def test_layers_that_mean_nothing_are_refused_in_one_line(layers):
    with pytest.raises(UserError, match=r"encoder\.layers.*give last, weighted, the number of a layer"):
        load_recipe("emosllm", (f"encoder.layers={layers}",))
