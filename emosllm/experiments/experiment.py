"""Run the trainings and evaluations of an experiment in a folder that can be resumed.

DIR/experiment.json                   the folds' hashes and how weights are chosen; --resume needs the same
DIR/runs/VARIANT/fold-1-seed-0/       one training, as `emosllm train` leaves it
DIR/scores/VARIANT/seed-0/fold-1/     the report and predictions on the fold's test part
DIR/scores/VARIANT/seed-0/            the same over all folds: each clip is tested once

A run with a report is never computed again, so a grid may grow between two calls. Variants that differ only in how
they are evaluated share their trainings. A run's seed is the recipe's, plus 1000 for each repetition, plus the fold's
index from 0. Variants therefore differ only in the varied values. The answers on degraded recordings are stored point
by point, and a sweep resumes at the next point.
"""

import gc
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from emosllm.errors import UserError
from emosllm.evaluation.robustness.answer_cache import AnswerCache
from emosllm.experiments.data.folds import Fold
from emosllm.experiments.fold_predictions import score_system
from emosllm.experiments.fold_reports import SWEEP, fold_report, pooled_report
from emosllm.experiments.grid import Variant, digest_of
from emosllm.experiments.plan import Outcome, Plan
from emosllm.files import write_atomically
from emosllm.prompting.prompt_template import check_templates
from emosllm.reporting.evaluation_folders import read_report
from emosllm.reporting.report_files import write_report
from emosllm.training.phase_trainer import process_state
from emosllm.training.run import Run
from emosllm.training.run_data import RunData
from emosllm.utterance import Utterance

SEED_STEP = 1000  # between repetitions: larger than any number of folds


class Experiment:
    """Computes a plan in a folder.

    Args:
        plan: variants, folds and seeds.
        folder: of the experiment.
        cache: folder of the encoders' frames; by default inside the experiment's folder.
        keep_models: keep the trained weights; by default they are deleted once all their figures are written.
        batch_size: clips scored together.
        device: as `load`.
        console: shows the progress.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        cache: Path | None = None,
        keep_models: bool = True,
        batch_size: int = 8,
        device: str | None = None,
        console: Console | None = None,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.cache = cache or folder / "frames"
        self.keep_models = keep_models
        self.batch_size = batch_size
        self.device = device
        self.console = console or Console(stderr=True)
        self.failed: dict[Path, str] = {}
        self._seen = self._computed = 0
        self._began = 0.0

    @property
    def writes(self) -> bool:
        """Whether this process writes the files, if several processes train together."""
        return bool(process_state().is_main_process)

    def run(self, resume: bool = False) -> Iterator[list[Outcome]]:
        """Train and score the variants without figures; yield the outcomes of each finished group of variants.

        Raises:
            UserError: the folder holds an experiment and `resume` is off, or another experiment; a recipe or data that
                cannot be trained.
        """
        self.check()
        if self.writes:
            self._begin(resume)
        process_state().wait_for_everyone()
        self._began = time.monotonic()
        for variants in self._groups():
            for repetition in range(self.plan.seeds):
                for place, fold in enumerate(self.plan.folds):
                    self._run_training(variants, repetition, place, fold)
            yield [self._outcome(variant, r) for variant in variants for r in range(self.plan.seeds)]

    def check(self) -> None:
        """Check before the first training that every recipe can be trained on every fold's data.

        Raises:
            UserError: a training is not possible.
        """
        for variant in self.plan.variants:
            recipe = variant.recipe
            if recipe.uses_transcript and not recipe.transcribes and variant.transform.transcripts == "own":
                raise UserError(
                    f"strategy {recipe.inference.strategy!r} needs a transcript, and {recipe.name} does not transcribe"
                    ": add --transcripts given, use strategy ser, or set inference.transcribes=true"
                )
        for variant in self.plan.variants:
            if variant.system is None:
                if not variant.recipe.phases:
                    raise UserError(f"recipe {variant.recipe.name} has no phases, so there is nothing to train")
                check_templates(variant.recipe)
                self._data(variant, self.plan.folds[0])

    @property
    def total(self) -> int:
        """The number of trainings, or of evaluations if nothing is trained."""
        return len(self._groups()) * self.plan.seeds * len(self.plan.folds)

    def _groups(self) -> list[list[Variant]]:
        """Groups of variants that share their trainings, in the order of the plan."""
        groups: dict[str, list[Variant]] = {}
        for variant in self.plan.variants:
            key = variant.key if variant.system is not None else variant.training_key(self.plan.chooses != "never")
            groups.setdefault(digest_of(key), []).append(variant)
        return list(groups.values())

    def _begin(self, resume: bool) -> None:
        notes = self.folder / "experiment.json"
        ours: dict[str, Any] = {
            "folds": {fold.name: fold.digest for fold in self.plan.folds},
            "chooses": self.plan.chooses,
        }
        if notes.is_file():
            if not resume:
                raise UserError(f"{self.folder} holds an experiment: continue it with --resume, or give another --out")
            found = json.loads(notes.read_text(encoding="utf-8"))
            for what, name in (("folds", "data or folds"), ("chooses", "way to choose weights")):
                if found.get(what) != ours[what]:
                    raise UserError(f"{self.folder} was begun with another {name}: --resume needs the same")
            return
        if self.folder.is_dir() and any(path.suffix != ".tmp" for path in self.folder.iterdir()):
            raise UserError(f"{self.folder} is not empty and holds no experiment: give another --out")
        write_atomically(notes, json.dumps({"title": self.plan.title, **ours}, indent=2) + "\n")

    def _run_training(self, variants: Sequence[Variant], repetition: int, place: int, fold: Fold) -> None:
        """Run one training, if it is needed, and compute the figures of all variants that share it."""
        processes = process_state()
        waiting = [v for v in variants if not (self._scores(v, repetition) / fold.name / "report.json").is_file()]
        processes.wait_for_everyone()  # no process reads before another has finished its writing
        self._seen += 1
        if not waiting:
            return
        first = waiting[0]
        seed = first.recipe.training.seed + SEED_STEP * repetition + place
        runs = _folder_of(self.folder / "runs", first.training_key(self.plan.chooses != "never"))
        run = runs / f"{fold.name}-seed-{seed}"
        self._print_progress(first, fold, seed)
        self._computed += 1
        try:
            if first.system is None and not (run / "model" / "config.json").is_file():
                data = self._data(first, fold)
                Run(first.training_recipe(seed), data, run, self.cache, self.console).train(resume=True)
            if self.writes:
                for variant in waiting:
                    self._score(variant, repetition, fold, run)
        except torch.OutOfMemoryError:
            for variant in waiting:
                self.failed[self._scores(variant, repetition) / fold.name] = "out of memory"
            self.console.print(f"{first.name}, {fold.name}: out of memory; the others continue")
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        processes.wait_for_everyone()
        if not self.keep_models and self.writes and run.is_dir():
            for part in ("phases", "model"):
                shutil.rmtree(run / part, ignore_errors=True)

    def _data(self, variant: Variant, fold: Fold) -> RunData:
        """The training and validation data of one run."""
        chosen_by = {"never": (), "val": fold.val, "test": fold.test}[self.plan.chooses]
        train = variant.transform.train(fold.train, variant.recipe.label_set)
        sides: list[Utterance] = [replace(utterance, split="train") for utterance in train]
        sides += [replace(utterance, split="val") for utterance in chosen_by]
        if variant.recipe.encoder is not None:  # a corpus may have clips with a transcript and without audio
            sides = [utterance for utterance in sides if utterance.audio is not None]
        return RunData.of(sides, variant.recipe, self.plan.shared_speakers)

    def _scores(self, variant: Variant, repetition: int) -> Path:
        return _folder_of(self.folder / "scores", variant.key) / f"seed-{repetition}"

    def _score(self, variant: Variant, repetition: int, fold: Fold, run: Path) -> None:
        utterances = variant.transform.test(fold.test)
        place = self._scores(variant, repetition) / fold.name
        kept = AnswerCache(place / SWEEP)
        if variant.scoring.conditions:
            kept.begin(f"{variant.key} {fold.digest}", resume=True)
        began = time.monotonic()
        how = (self.cache, self.batch_size, self.device, fold.val, kept)
        scored = score_system(variant, run, utterances, *how)
        report = fold_report(self.plan, variant, fold, utterances, scored, time.monotonic() - began)
        write_report(report, utterances, scored.predictions, place)

    def _outcome(self, variant: Variant, repetition: int) -> Outcome:
        """Read the written files, and merge the folds."""
        folder = self._scores(variant, repetition)
        if not self.writes:  # only the process that scores has the reason
            absent = [folder / f.name for f in self.plan.folds if not (folder / f.name / "report.json").is_file()]
            self.failed |= dict.fromkeys(absent, "it could not be scored")
        failed = {f.name: self.failed[folder / f.name] for f in self.plan.folds if folder / f.name in self.failed}
        names = [fold.name for fold in self.plan.folds if fold.name not in failed]
        reports = {name: read_report(folder / name) for name in names}
        pooled = None
        if not failed:
            pooled, utterances, predictions = pooled_report(self.plan, variant, folder, reports)
            if self.writes:
                write_report(pooled, utterances, predictions, folder)
        return Outcome(variant, repetition, reports, pooled, failed, folder)

    def _print_progress(self, variant: Variant, fold: Fold, seed: int) -> None:
        left = ""
        if self._computed:
            each = (time.monotonic() - self._began) / self._computed
            left = f"; about {each * (self.total - self._seen + 1) / 60:.0f} min left"
        where = f"run {self._seen} of {self.total}" if self.total > 1 else "run"
        trained = "trained on" if variant.system is None else "used as it is;"
        counts = f"{trained} {len(fold.train)}, tested on {len(fold.test)}"
        self.console.print(f"{where}: {variant.name}, {fold.name}, seed {seed}: {counts}{left}", markup=False)


def _folder_of(parent: Path, key: str) -> Path:
    """The folder of a key. Its last word identifies it; the others describe the varied values."""
    return next(iter(sorted(parent.glob(f"*-{digest_of(key)}"))), parent / key)
