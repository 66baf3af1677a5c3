"""Plan a phase's samples before it begins: which utterance, which task, in which order.

The whole order is drawn from the seed at once. So it does not depend on workers, processes or interruptions: sample
number n is always the same sample, with the same draw of prompts and augmentation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emosllm.errors import UserError
from emosllm.labels import LabelSet
from emosllm.models.mappers import mapper_vectors
from emosllm.recipe import Recipe
from emosllm.recipe_parts import Phase, Task
from emosllm.training.phase_trainer import split_batch
from emosllm.utterance import Utterance

_LETTERS_A_TOKEN = 4
_FRAMES_A_SECOND = 50.0  # the frame rate of wav2vec 2.0, WavLM, HuBERT and Whisper, in Hz


@dataclass(frozen=True, slots=True)
class PlannedSample:
    """One sample of the plan: an index into the list of utterances, and the task."""

    utterance: int
    task: Task


def plan_phases(recipe: Recipe, utterances: Sequence[Utterance]) -> dict[str, list[PlannedSample]]:
    """Plan the samples of each of a recipe's phases, and check that its batches can be split over the processes.

    Args:
        recipe: the system to train.
        utterances: all training utterances.

    Raises:
        UserError: the recipe has no phases, no utterance fits one of its tasks, or a batch cannot be split.
    """
    if not recipe.phases:
        raise UserError(
            f"recipe {recipe.name} has no phases: it is used as published; "
            f"try emosllm evaluate {recipe.name} --data MANIFEST"
        )
    labels, training = recipe.label_set, recipe.training
    reads = recipe.prompt is not None and recipe.prompt.transcript
    # With cached frames and a fixed number of vectors, the length of a clip does not change the cost.
    pooled = recipe.mapper is not None and mapper_vectors(recipe.mapper).fixed is not None
    alike = recipe.encoder is None or pooled
    weight = 0.0 if alike and training.augmentation is None else _FRAMES_A_SECOND
    split = {name: split_batch(phase, training) for name, phase in recipe.phases.items()}
    plans = {}
    for number, (name, phase) in enumerate(recipe.phases.items(), start=1):
        plan = plan_phase(name, phase, utterances, labels, (training.seed, number), training.balance, reads)
        _, accumulated = split[name]
        if accumulated > 1:  # otherwise one forward pass is one update, and sorting within it has no effect
            plan = by_length(plan, utterances, phase.optimiser.batch_size, reads, weight)
        plans[name] = plan
    return plans


def plan_phase(
    name: str,
    phase: Phase,
    utterances: Sequence[Utterance],
    labels: LabelSet,
    seed: tuple[int, ...],
    balance: bool = False,
    reads: bool = False,
) -> list[PlannedSample]:
    """Plan the samples of one phase.

    Args:
        name: the phase's name, for errors.
        phase: tasks with their shares, corpora, epochs.
        utterances: all training utterances.
        labels: the label set; an emotion outside it does not count as a label.
        seed: seed of this phase.
        balance: draw every class of every corpus equally often, in tasks that ask for the emotion.
        reads: whether every prompt contains the transcript, whatever the task.

    Returns:
        The samples in order. One epoch has as many samples as there are utterances that fit any of the tasks.

    Raises:
        UserError: no utterance fits one of the tasks.
    """
    rng = np.random.default_rng(seed)
    fitting = {
        task: [index for index, one in enumerate(utterances) if _is_usable(one, task, phase.corpora, labels, reads)]
        for task, share in phase.tasks.items()
        if share > 0
    }
    for task, found in fitting.items():
        if not found:
            raise UserError(_no_samples_message(name, task, phase, utterances, reads))
    total = round(phase.epochs * len(set().union(*fitting.values())))
    shares = sum(phase.tasks.values())
    items: list[PlannedSample] = []
    for task, found in fitting.items():
        count = max(1, round(total * phase.tasks[task] / shares))
        groups = _groups(found, utterances, labels) if balance and task != "asr" else [found]
        items += [PlannedSample(index, task) for index in _draw(groups, count, rng)]
    return [items[index] for index in rng.permutation(len(items))]


def by_length(
    plan: Sequence[PlannedSample], utterances: Sequence[Utterance], update: int, reads: bool, tokens_a_second: float
) -> list[PlannedSample]:
    """Sort the samples within each update by length, so that one forward pass needs little padding.

    The gradient of an update is a sum over its samples, so their order within the update does not change it.

    Args:
        plan: the output of `plan_phase`.
        utterances: the list that the plan indexes.
        update: samples per update, over all processes.
        reads: whether every prompt contains the transcript, whatever the task.
        tokens_a_second: cost of one second of audio in text tokens; 0 if all clips cost the same.
    """

    def length(item: PlannedSample) -> float:
        utterance = utterances[item.utterance]
        letters = ((item.task != "ser") + reads) * len(utterance.transcript or "")
        return letters / _LETTERS_A_TOKEN + tokens_a_second * (utterance.duration or 0.0)

    windows = [plan[start : start + update] for start in range(0, len(plan), update)]
    return [item for window in windows for item in sorted(window, key=length)]


def _is_usable(
    utterance: Utterance, task: Task, corpora: tuple[str, ...] | None, labels: LabelSet, reads: bool
) -> bool:
    if corpora is not None and utterance.corpus not in corpora:
        return False
    has_text = (task == "ser" and not reads) or bool(utterance.transcript)
    has_emotion = task == "asr" or labels.classify(utterance.emotion) is not None
    return has_text and has_emotion


def _groups(found: Sequence[int], utterances: Sequence[Utterance], labels: LabelSet) -> list[list[int]]:
    """Group utterances by corpus and class."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index in found:
        utterance = utterances[index]
        groups.setdefault((utterance.corpus or "", labels.classify(utterance.emotion) or ""), []).append(index)
    return [groups[key] for key in sorted(groups)]


def _draw(groups: Sequence[Sequence[int]], count: int, rng: np.random.Generator) -> list[int]:
    """Draw `count` members, equally many from each group; each pass over a group has a new random order."""
    drawn: list[int] = []
    for number, group in enumerate(groups):
        wanted = count // len(groups) + (number < count % len(groups))
        rounds = [rng.permutation(group) for _ in range(-(-wanted // len(group)))]
        drawn += np.concatenate(rounds)[:wanted].tolist() if rounds else []
    return drawn


def _no_samples_message(name: str, task: Task, phase: Phase, utterances: Sequence[Utterance], reads: bool) -> str:
    both = "a transcript and an emotion"
    needs = {"asr": "a transcript", "ser": both if reads else "an emotion", "joint": both}[task]
    found = ", ".join(sorted({utterance.corpus or "(none)" for utterance in utterances})) or "none"
    wanted = "" if phase.corpora is None else f" of the corpora {', '.join(phase.corpora)}"
    return (
        f"phase {name}: no training utterance{wanted} has {needs}, which task {task!r} needs; corpora in the data: "
        f"{found}; set phases.{name}.corpora or phases.{name}.tasks"
    )
