"""A phase's samples, laid out before it begins: which utterance, which task, in which order.

The whole order is drawn from the seed at once. So nothing depends on workers, processes or interruptions: sample
number n is the same sample with the same draw of prompts and augmentation, however a run came to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emosllm.errors import UserError
from emosllm.labels import LabelSet
from emosllm.recipe import Recipe
from emosllm.recipe_parts import Phase, QPMapperPart, Task
from emosllm.training.phase_trainer import split_batch
from emosllm.utterance import Utterance

_LETTERS_A_TOKEN = 4
_FRAMES_A_SECOND = 50.0  # of wav2vec 2.0's kin and of Whisper


@dataclass(frozen=True, slots=True)
class Item:
    """One sample of the plan: an utterance's place in the list of utterances, and what it is asked."""

    utterance: int
    task: Task


def plan_phases(recipe: Recipe, utterances: Sequence[Utterance]) -> dict[str, list[Item]]:
    """The samples of each of a recipe's phases, its batches known to be divisible.

    Args:
        recipe: what is trained.
        utterances: all that may be trained on.

    Raises:
        UserError: the recipe has no phases, nothing fits one of its tasks, or a batch can't be split.
    """
    if not recipe.phases:
        raise UserError(
            f"recipe {recipe.name} has no phases: it is used as published; "
            f"try emosllm evaluate {recipe.name} --data MANIFEST"
        )
    labels, training = recipe.label_set, recipe.training
    reads = recipe.prompt is not None and recipe.prompt.transcript
    # A clip that was heard before and becomes so many queries is as long as any other.
    alike = recipe.encoder is None or isinstance(recipe.mapper, QPMapperPart)
    weight = 0.0 if alike and training.augmentation is None else _FRAMES_A_SECOND
    split = {name: split_batch(phase, training) for name, phase in recipe.phases.items()}
    plans = {}
    for number, (name, phase) in enumerate(recipe.phases.items(), start=1):
        plan = plan_phase(name, phase, utterances, labels, (training.seed, number), training.balance, reads)
        _, accumulated = split[name]
        if accumulated > 1:  # else a forward pass is an update, and has the samples that it has
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
) -> list[Item]:
    """Lay out a phase.

    Args:
        name: of the phase, for errors.
        phase: tasks with their shares, corpora, epochs.
        utterances: all that may be trained on.
        labels: emotions that count as a label.
        seed: of this phase.
        balance: draw every class of every corpus equally often where an emotion is asked.
        reads: whether the system is told the transcript whatever it is asked.

    Returns:
        The samples in order. One epoch has as many as there are utterances that fit any of the tasks.

    Raises:
        UserError: nothing fits one of the tasks.
    """
    rng = np.random.default_rng(seed)
    fitting = {
        task: [index for index, one in enumerate(utterances) if _fits(one, task, phase.corpora, labels, reads)]
        for task, share in phase.tasks.items()
        if share > 0
    }
    for task, found in fitting.items():
        if not found:
            raise UserError(_nothing(name, task, phase, utterances, reads))
    total = round(phase.epochs * len(set().union(*fitting.values())))
    shares = sum(phase.tasks.values())
    items: list[Item] = []
    for task, found in fitting.items():
        count = max(1, round(total * phase.tasks[task] / shares))
        groups = _groups(found, utterances, labels) if balance and task != "asr" else [found]
        items += [Item(index, task) for index in _draw(groups, count, rng)]
    return [items[index] for index in rng.permutation(len(items))]


def by_length(
    plan: Sequence[Item], utterances: Sequence[Utterance], update: int, reads: bool, tokens_a_second: float
) -> list[Item]:
    """The same samples in each update, but so ordered that those of one forward pass are about as long as each other.

    An update's gradient is a sum over its samples, whatever their order, and what is not padded is not computed.

    Args:
        plan: what `plan_phase` laid out.
        utterances: what its numbers point at.
        update: samples of an update, all processes together.
        reads: whether the system is told the transcript whatever it is asked.
        tokens_a_second: what a second of a clip weighs beside the text's tokens; 0 where all clips weigh the same.
    """

    def length(item: Item) -> float:
        utterance = utterances[item.utterance]
        letters = ((item.task != "ser") + reads) * len(utterance.transcript or "")
        return letters / _LETTERS_A_TOKEN + tokens_a_second * (utterance.duration or 0.0)

    windows = [plan[start : start + update] for start in range(0, len(plan), update)]
    return [item for window in windows for item in sorted(window, key=length)]


def _fits(utterance: Utterance, task: Task, corpora: tuple[str, ...] | None, labels: LabelSet, reads: bool) -> bool:
    if corpora is not None and utterance.corpus not in corpora:
        return False
    said = (task == "ser" and not reads) or bool(utterance.transcript)
    felt = task == "asr" or labels.classify(utterance.emotion) is not None
    return said and felt


def _groups(found: Sequence[int], utterances: Sequence[Utterance], labels: LabelSet) -> list[list[int]]:
    """Utterances by corpus and class."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index in found:
        utterance = utterances[index]
        groups.setdefault((utterance.corpus or "", labels.classify(utterance.emotion) or ""), []).append(index)
    return [groups[key] for key in sorted(groups)]


def _draw(groups: Sequence[Sequence[int]], count: int, rng: np.random.Generator) -> list[int]:
    """`count` members, equally many of each group, each group gone through in new orders again and again."""
    drawn: list[int] = []
    for number, group in enumerate(groups):
        wanted = count // len(groups) + (number < count % len(groups))
        rounds = [rng.permutation(group) for _ in range(-(-wanted // len(group)))]
        drawn += np.concatenate(rounds)[:wanted].tolist() if rounds else []
    return drawn


def _nothing(name: str, task: Task, phase: Phase, utterances: Sequence[Utterance], reads: bool) -> str:
    both = "a transcript and an emotion"
    needs = {"asr": "a transcript", "ser": both if reads else "an emotion", "joint": both}[task]
    found = ", ".join(sorted({utterance.corpus or "(none)" for utterance in utterances})) or "none"
    wanted = "" if phase.corpora is None else f" of the corpora {', '.join(phase.corpora)}"
    return (
        f"phase {name}: no training utterance{wanted} has {needs}, which task {task!r} needs; corpora in the data: "
        f"{found}; set phases.{name}.corpora or phases.{name}.tasks"
    )
