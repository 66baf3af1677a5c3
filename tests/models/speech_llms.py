"""Samples for tiny SpeechLLMs, and which of their weights are trained."""

import tiny

from emosllm.prompting.processor import Sample

SAID = ("Put it on the table.", "No, and I never will, whatever you say!", "Well")


def learn(model, llm=True):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("mapper.") or (llm and ".lora_" in name))


def samples(processor, task="joint", weight=1.0):
    emotions = ("angry", "sad", "happy")
    return [
        Sample(
            processor.build_conversation(task, transcript=text, emotion=emotion),
            tiny.clip(0.4 + 0.3 * seed, seed),
            transcript_weight=weight,
        )
        for seed, (text, emotion) in enumerate(zip(SAID, emotions, strict=True))
    ]


def written(processor, task="joint"):
    return [
        Sample(processor.build_conversation(task, audio=False, transcript=text, emotion="sad", hint=text))
        for text in SAID
    ]
