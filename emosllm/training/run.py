"""Run a recipe's training phases in order, in a folder that documents the run and from which it can be resumed.

RUN/recipe.yaml        the resolved recipe
RUN/run.json           hash and size of the data, seed, versions, hardware, and each phase's loss and scores
RUN/cues.json          with cues: the measured values; thresholds.json: the boundaries between their levels
RUN/phases/1-p1/       checkpoints, TensorBoard log, best weights, and `kept/` once the phase is done
RUN/model/             the trained system, for `emosllm predict RUN`
"""

import json
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from rich.console import Console
from rich.progress import Progress

from emosllm.errors import UserError
from emosllm.evaluation.metrics import score
from emosllm.evaluation.provenance import hardware_here
from emosllm.evaluation.report_builder import versions_here
from emosllm.files import atomic_folder, write_atomically
from emosllm.inference.recogniser import Recogniser
from emosllm.models.backbones import load_config
from emosllm.models.build import System, build_model, build_processor
from emosllm.models.checkpoints.checkpoint import load_weights_into, read_weights
from emosllm.models.llms.lora import switch_lora
from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.processor import SpeechProcessor
from emosllm.recipe import Recipe, dump
from emosllm.recipe_parts import Metric, TrainablePart
from emosllm.training.cue_cache import MeasuredCues
from emosllm.training.dataset import PhaseDataset
from emosllm.training.encoder_statistics import store_statistics
from emosllm.training.feature_cache import FeatureCache
from emosllm.training.phase_plan import PlannedSample, plan_phases
from emosllm.training.phase_trainer import (
    PhaseTrainer,
    Validate,
    collate_of,
    last_checkpoint,
    phase_arguments,
    process_state,
)
from emosllm.training.progress import PhaseProgress
from emosllm.training.row_lengths import check_row_lengths
from emosllm.training.run_data import RunData


class Run:
    """One training run in one folder.

    Args:
        recipe: the system to train.
        data: the training and validation utterances.
        folder: the run's folder.
        cache: folder of the encoder's frames; `features` in the run's folder by default.
        console: where progress is printed; standard error by default.
    """

    def __init__(
        self, recipe: Recipe, data: RunData, folder: Path, cache: Path | None = None, console: Console | None = None
    ) -> None:
        self.recipe = recipe
        self.data = data
        self.folder = folder
        self.cache = cache or folder / "features"
        self.console = console or Console(stderr=True)
        self.measured: MeasuredCues | None = None  # set by `train` if the recipe has cues

    def begin(self, resume: bool) -> None:
        """Create the run's folder, or check that the folder can be resumed.

        Raises:
            UserError: the folder holds a run and `resume` is off, it holds another run, or it holds other files.
        """
        notes = self.folder / "run.json"
        ours = self.folder / "recipe.yaml"  # a run that is killed before it writes run.json leaves only this file
        if notes.is_file():
            found = _read_notes(notes)
            if not resume:
                raise UserError(f"{self.folder} holds a run; --resume continues it, another --out begins a new one")
            for what, now in (("recipe", self.recipe.model_dump(mode="json")), ("data", self.data.digest)):
                if found.get(what) != now:
                    raise UserError(
                        f"{self.folder} was begun with another {what}; --resume needs exactly the same "
                        f"({ours} holds its recipe with all overrides)"
                    )
            return
        if self.folder.is_dir() and any(path != ours and path.suffix != ".tmp" for path in self.folder.iterdir()):
            raise UserError(f"{self.folder} is not empty and holds no run; give another --out")
        write_atomically(ours, dump(self.recipe))
        self._note(
            recipe=self.recipe.model_dump(mode="json"),
            data=self.data.digest,
            train=len(self.data.train),
            val=len(self.data.val),
            left_out=self.data.left_out,
            seed=self.recipe.training.seed,
            versions=versions_here(),
            hardware=hardware_here(),
            phases={},
        )

    @property
    def finished(self) -> bool:
        """Whether the folder holds the trained system, so that there is nothing to resume."""
        if not (self.folder / "model" / "config.json").is_file() or not (self.folder / "run.json").is_file():
            return False
        return set(self.recipe.phases) <= set(_read_notes(self.folder / "run.json").get("phases", ()))

    def train(self, resume: bool = False, self_contained: bool = False) -> Path:
        """Train all phases and write the trained system to `model/`.

        Args:
            resume: continue a run that was stopped; a `finished` run is left unchanged.
            self_contained: store the backbones' weights in `model/` too.

        Returns:
            The folder of the trained system.
        """
        processes = process_state()
        self.console.quiet |= not processes.is_main_process
        plans = plan_phases(self.recipe, self.data.train)  # all first: an error in a late phase stops the run early
        cues = self.recipe.prompt is not None and self.recipe.prompt.cues  # stored in the folder, so after `begin`
        processor = None if cues or self.finished else self._processor(plans)
        if processes.is_main_process:
            self.begin(resume)
        processes.wait_for_everyone()
        if self.finished:
            return self.folder / "model"
        processor = processor or self._processor(plans)
        torch.manual_seed(self.recipe.training.seed)
        model = build_model(self.recipe)
        if torch.cuda.is_available():
            model.to(processes.device)
        folders = {name: self.folder / "phases" / f"{number}-{name}" for number, name in enumerate(plans, start=1)}
        done = {name for name, folder in folders.items() if (folder / "kept").is_dir()}
        frames = self._frames(model, processor) if model.encoder is not None and done != set(plans) else None
        if frames is not None and not done:
            store_statistics(model, frames, self.data.train, self.recipe.training.seed, self.console)
        for number, (name, folder) in enumerate(folders.items(), start=1):
            if name not in done:
                self._phase(number, name, plans[name], folder, model, processor, frames)
            load_weights_into(model, read_weights(folder / "kept"), model.trained_names(), folder / "kept")
        if processes.is_main_process:
            with atomic_folder(self.folder / "model") as final:
                model.save_pretrained(final, self_contained=self_contained)
                processor.save_pretrained(final)
        processes.wait_for_everyone()
        return self.folder / "model"

    def _frames(self, model: System, processor: SpeechProcessor) -> FeatureCache:
        """Cache the encoder's frames of the validation set, and of the training set if its augmentation is fixed."""
        assert model.encoder is not None
        store = FeatureCache(self.cache, model.encoder, processor)
        training = self.recipe.training
        changes = training.augmentation is not None and not training.kept_views
        wanted = [*([] if changes else self.data.train), *self.data.val]
        with Progress(console=self.console) as bar:
            store.fill(bar.track(wanted, description="frames of the frozen encoder"))
            for view in range(1, 1 + training.kept_views):
                tracked = bar.track(self.data.train, description=f"augmented version {view} of {training.kept_views}")
                store.fill(tracked, augmentation=training.augmentation, view=view)
        return store

    def _phase(
        self,
        number: int,
        name: str,
        plan: Sequence[PlannedSample],
        folder: Path,
        model: System,
        processor: SpeechProcessor,
        frames: FeatureCache | None,
    ) -> None:
        recipe, data = self.recipe, self.data
        phase = recipe.phases[name]
        dataset = self._dataset(number, name, plan, processor, frames)
        if recipe.training.gradient_checkpointing and isinstance(model, SpeechLLM):
            model.llm.activation_checkpointing_enable({"use_reentrant": False})
        set_trainable(model, phase.learns, self._lora_trained(number))
        emotions = {item.task for item in plan} - {"asr"}
        validate = self._validation(model, processor, frames) if data.val and emotions else None
        arguments = phase_arguments(phase, recipe.training, len(plan), folder, validate is not None)
        tasks = ", ".join(f"{count} {task}" for task, count in Counter(item.task for item in plan).items())
        self.console.print(f"phase {name}: trains {', '.join(phase.learns)} on {tasks} samples")
        progress = PhaseProgress(name, self.console)
        collate = collate_of(phase, processor)
        choose_by = recipe.training.choose_by
        trainer = PhaseTrainer(model, collate, dataset, arguments, folder / "best", validate, choose_by, progress)
        began = time.monotonic()
        try:
            result = trainer.train(resume_from_checkpoint=last_checkpoint(folder))
        finally:
            progress.bar.stop()
        if trainer.is_world_process_zero():
            self._store_result(name, folder, model, {"loss": result.training_loss, "seconds": time.monotonic() - began})
        trainer.accelerator.wait_for_everyone()

    def _dataset(
        self,
        number: int,
        name: str,
        plan: Sequence[PlannedSample],
        processor: SpeechProcessor,
        frames: FeatureCache | None = None,
    ) -> PhaseDataset:
        training, phase = self.recipe.training, self.recipe.phases[name]
        kept = training.augmentation is None or training.kept_views
        cached = frames.path if frames is not None and kept else None
        seed = (training.seed, number)
        return PhaseDataset(
            plan,
            self.data.train,
            processor,
            phase,
            seed,
            training.augmentation,
            cached,
            self.measured,
            training.kept_views,
        )

    def _processor(self, plans: Mapping[str, Sequence[PlannedSample]]) -> SpeechProcessor:
        """Build the processor, and check before training that every row of the plans fits the LLM's positions."""
        cues = self.recipe.prompt.cues if self.recipe.prompt is not None else None
        thresholds = None
        if cues is not None:
            workers = self.recipe.training.workers
            self.measured = MeasuredCues.of_run(cues, self.data, self.folder, workers, self.console)
            thresholds = self.measured.thresholds
        processor = build_processor(self.recipe, thresholds)
        if self.recipe.llm is not None:
            config = load_config(self.recipe.llm.model, "llm", self.recipe.llm.file)
            for number, (name, plan) in enumerate(plans.items(), start=1):
                check_row_lengths(name, self._dataset(number, name, plan, processor), config)
        return processor

    def _store_result(self, name: str, folder: Path, model: SpeechLLM, figures: dict[str, Any]) -> None:
        """Store the phase's result: the best weights by validation, or the last weights without validation."""
        best = folder / "best"
        if best.is_dir():
            figures |= json.loads((best / "validation.json").read_text(encoding="utf-8"))
        notes = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        notes["phases"][name] = figures
        self._note(**notes)
        with atomic_folder(folder / "kept") as kept:
            if best.is_dir():
                shutil.copytree(best, kept, dirs_exist_ok=True)
            else:
                model.save_pretrained(kept)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)

    def _validation(self, model: System, processor: SpeechProcessor, frames: FeatureCache | None) -> Validate:
        """Return a function that scores the val split; with reference transcripts one pass is enough."""
        remembered = frames.load if frames is not None else None

        def validate() -> dict[str, float]:
            recogniser = Recogniser(model, processor, answer="score", remembered=remembered, measured=self.measured)
            predictions = list(recogniser.predict(self.data.val, self.recipe.training.micro_batch, "given"))
            classify = self.recipe.label_set.classify
            reference = [classify(utterance.emotion) or "" for utterance in self.data.val]
            scores = score(reference, [prediction.label for prediction in predictions], self.recipe.label_set.names)
            return {metric: getattr(scores, metric) for metric in get_args(Metric)}

        return validate

    def _lora_trained(self, number: int) -> bool:
        """Whether the adapters are trained by the end of phase `number`, in this run or before it."""
        return self.recipe.start is not None or any(
            "lora" in phase.learns for phase in list(self.recipe.phases.values())[:number]
        )

    def _note(self, **notes: Any) -> None:
        write_atomically(self.folder / "run.json", json.dumps(notes, indent=2) + "\n")


def set_trainable(model: System, parts: Sequence[TrainablePart], lora_trained: bool) -> None:
    """Make the named parts trainable and freeze the others; switch off adapters that were never trained."""
    switch_lora(model, lora_trained)  # first, because PEFT makes the adapters that it switches on trainable
    for name, parameter in model.named_parameters():
        part = "lora" if ".lora_" in name else name.partition(".")[0]
        parameter.requires_grad_(part in parts)


def _read_notes(path: Path) -> dict[str, Any]:
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        notes = None
    if not isinstance(notes, dict):
        raise UserError(f"{path} is damaged, so the run cannot be resumed; give another --out")
    return notes
