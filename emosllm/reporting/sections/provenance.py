"""The section on provenance: the definitions of the figures, data, versions, seeds, hardware, hours and recipes."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from emosllm.evaluation.provenance import Training
from emosllm.evaluation.report import Report
from emosllm.reporting.blocks import Block, Listing, Section, Table
from emosllm.reporting.evaluations import ComparedEvaluations, Evaluation
from emosllm.reporting.report_text import count, definitions, hardware_text, hours, temperature_text


def provenance(compared: ComparedEvaluations) -> Section:
    """The facts that are needed to compute the figures again."""
    columns = [_facts(evaluation) for evaluation in compared.evaluations]
    facts = list(dict.fromkeys(name for column in columns for name in column))
    rows = tuple((name, *(column.get(name, "–") for column in columns)) for name in facts)
    head = ("", *(evaluation.name for evaluation in compared.evaluations))
    blocks: list[Block] = [Table(head, rows, as_lines=not compared.several)]
    recipes: dict[str, list[str]] = {}
    for evaluation in compared.evaluations:
        stored = evaluation.report.provenance
        if stored is not None and stored.recipe is not None:
            text = yaml.safe_dump(_plain(stored.recipe), sort_keys=False, allow_unicode=True, width=100)
            recipes.setdefault(text, []).append(evaluation.name)
    blocks += [Listing(f"The resolved recipe of {' and '.join(names)}", text) for text, names in recipes.items()]
    lines = dict.fromkeys(line for evaluation in compared.evaluations for line in definitions(evaluation.report))
    return Section("How this was computed", tuple(blocks), notes=tuple(lines))


def _facts(evaluation: Evaluation) -> dict[str, str]:
    report = evaluation.report
    facts = {
        "system": report.model,
        "data": report.data + (f" ({report.split})" if report.split else ""),
        "data hash": report.provenance.data if report.provenance else "–",
        "label set": _labels(report),
        "strategy": report.strategy or "–",
        "answers": _answers(report),
        "temperature": _temperature(report),
        "intervals": f"{report.level:.0%}, {report.resamples} resamples, seed {report.seed}",
        "evaluated in": hours(report.seconds) if report.seconds else "–",
        "evaluated on": hardware_text(report.provenance.hardware) if report.provenance else "–",
        "evaluated with": _versions(report.versions),
    }
    origin = report.provenance
    if origin is not None and origin.trainings:
        return facts | _trained_in_folds(origin.trainings)
    training = origin.training if origin else None
    return facts | (_trained(training) if training else {"trained": "unknown: its run is not stored beside it"})


def _trained_in_folds(trainings: Mapping[str, Training]) -> dict[str, str]:
    """The facts of several trainings; common facts are listed once."""
    several = trainings.values()
    return {
        "trained": "; ".join(
            f"{fold} on {count(each.train, 'utterance')}, chosen by {count(each.val, 'utterance')}"
            for fold, each in trainings.items()
        ),
        "training data hash": "; ".join(f"{fold} {each.data}" for fold, each in trainings.items()),
        "training seed": ", ".join(f"{fold} {each.seed}" for fold, each in trainings.items()),
        "training took": f"{hours(sum(each.seconds for each in several))}, {count(len(trainings), 'training')}",
        "trained on": "; ".join(dict.fromkeys(hardware_text(each.hardware) for each in several)),
        "trained with": "; ".join(dict.fromkeys(_versions(each.versions) for each in several)),
    }


def _trained(training: Training) -> dict[str, str]:
    phases = "; ".join(
        f"{name}: " + ", ".join(f"{key} {_short(value)}" for key, value in figures.items() if key != "seconds")
        for name, figures in training.phases.items()
    )
    return {
        "trained": f"on {count(training.train, 'utterance')}, chosen by {count(training.val, 'utterance')}",
        "training data hash": training.data,
        "training seed": str(training.seed),
        "training took": hours(training.seconds),
        "trained on": hardware_text(training.hardware),
        "trained with": _versions(training.versions),
        "phases": phases or "–",
    }


def _labels(report: Report) -> str:
    merged = ", ".join(f"{finer} as {name}" for finer, name in report.merges.items())
    return f"{report.label_set}: {', '.join(report.labels)}" + (f"; {merged}" if merged else "")


def _answers(report: Report) -> str:
    if report.answer == "score":
        return "labels are scored"
    return f"free text; what names no label counts as {report.fallback or 'no answer'}"


def _temperature(report: Report) -> str:
    if report.confidence is None:
        return "–"
    source = report.provenance.calibration if report.provenance else None
    if report.provenance and report.provenance.calibrations:
        clips = sum(each["n"] for each in report.provenance.calibrations.values())
        return f"{temperature_text(report.confidence)}, fitted on {count(clips, 'clip')} of the folds' validation parts"
    split = f" ({source['split']})" if source and source["split"] else ""
    fitted = f", fitted on {count(source['n'], 'clip')} of {source['data']}{split}" if source else ""
    return f"{temperature_text(report.confidence)}{fitted}"


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _short(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    """Convert tuples to lists, since YAML would tag them."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
