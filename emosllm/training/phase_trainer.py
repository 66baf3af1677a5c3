"""Train one phase with transformers' Trainer: planned order, atomic checkpoints, validation, best weights kept.

The Trainer itself provides accumulation, mixed precision, schedules, TensorBoard and training in several processes.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from accelerate import PartialState
from torch.utils.data import Dataset
from transformers import BatchFeature, Trainer, TrainerCallback, TrainerControl, TrainingArguments
from transformers.integrations import TensorBoardCallback
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import TrainOutput, get_last_checkpoint

from emosllm.errors import UserError
from emosllm.files import atomic_folder
from emosllm.models.build import System
from emosllm.models.checkpoints.checkpoint import load_weights_into, read_weights
from emosllm.prompting.processor import Sample, SpeechProcessor
from emosllm.recipe_parts import Metric, Phase, TrainingPart

#: Scores the current model: metric name -> value, including the metric that selects the best weights.
Validate = Callable[[], dict[str, float]]


#: Collates samples into tensors.
Collate = Callable[[Sequence[Sample]], BatchFeature]


class PhaseTrainer(Trainer):
    """Trains one phase.

    Args:
        model: the system; only the parameters that this phase trains require gradients.
        collate: collates samples into tensors.
        dataset: the phase's samples in planned order.
        arguments: the output of `phase_arguments`.
        best: folder for the best weights by validation.
        validate: scores the model; `None` if there is no validation set.
        choose_by: the metric that selects the best weights.
        progress: shows the progress.
    """

    def __init__(
        self,
        model: System,
        collate: Collate,
        dataset: Dataset[Sample],
        arguments: TrainingArguments,
        best: Path,
        validate: Validate | None,
        choose_by: Metric = "ua",
        progress: TrainerCallback | None = None,
    ) -> None:
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=dataset,
            eval_dataset=dataset if validate else None,  # not read: `evaluate` calls `validate` instead
            data_collator=collate,
            callbacks=[
                *tensorboard(Path(arguments.output_dir).parent / "tensorboard"),
                *([progress] if progress else []),
            ],
        )
        self.remove_callback(PrinterCallback)
        self.best = best
        self.validate = validate
        self.choose_by = f"eval_{choose_by}"

    def train(self, *args: Any, **options: Any) -> TrainOutput:
        """Train as the Trainer does, but reduce an error of a data-loading process to its one-line message."""
        try:
            return super().train(*args, **options)
        except UserError as error:
            last = str(error).strip().splitlines()[-1]
            raise UserError(last.partition("UserError: ")[2] or last) from None
        except UnpicklingError:  # the Trainer opens a checkpoint's files with `weights_only`
            folder = options.get("resume_from_checkpoint")
            raise UserError(
                f"{folder}: optimizer.pt, scheduler.pt or rng_state.pth is damaged or holds more than tensors; "
                "delete that folder, and resume"
            ) from None

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Score the validation set, and keep these weights if they are the best so far."""
        assert self.validate is not None
        self.model.eval()
        metrics = {f"eval_{name}": value for name, value in self.validate().items()}
        self.model.train()
        self.log(metrics)
        if self.is_world_process_zero() and metrics[self.choose_by] > _best_so_far(self.best, self.choose_by):
            with atomic_folder(self.best) as folder:
                self.model.save_pretrained(folder)
                found = {"step": self.state.global_step, **metrics}
                (folder / "validation.json").write_text(json.dumps(found, indent=2), encoding="utf-8")
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Save as the Trainer does, but rename a checkpoint to its final name when complete, then delete older ones."""
        final = Path(self.args.output_dir)
        self.args.output_dir = str(final / ".saving")
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.output_dir = str(final)
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            name = f"checkpoint-{self.state.global_step}"
            shutil.rmtree(final / name, ignore_errors=True)
            (final / ".saving" / name).rename(final / name)
            for path in final.glob("checkpoint-*"):
                if path.name != name:
                    path.rename(final / ".saving" / path.name)  # deletion is atomic too
            shutil.rmtree(final / ".saving")
        self.accelerator.wait_for_everyone()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        folder = Path(resume_from_checkpoint)
        load_weights_into(self.model, read_weights(folder), self.model.trained_names(), folder)


def collate_of(phase: Phase, processor: SpeechProcessor) -> Collate:
    """Return a phase's collate function: whole answers, or rows up to the emotion if the loss is over classes."""
    return processor if phase.loss == "tokens" else processor.for_labels


def process_state() -> PartialState:
    """Return the state of distributed training, over gloo if there is no GPU."""
    return PartialState(cpu=not torch.cuda.is_available())


def split_batch(phase: Phase, training: TrainingPart) -> tuple[int, int]:
    """Split a phase's batch into samples per forward pass and forward passes per update, for each process.

    Raises:
        UserError: the batch cannot be split over the processes.
    """
    whole, processes = phase.optimiser.batch_size, process_state().num_processes
    if whole % processes:
        raise UserError(f"optimiser.batch_size {whole} cannot be split over {processes} processes")
    share = whole // processes
    micro = max(size for size in range(1, min(share, training.micro_batch) + 1) if share % size == 0)
    return micro, share // micro


def phase_arguments(
    phase: Phase, training: TrainingPart, samples: int, folder: Path, validates: bool
) -> TrainingArguments:
    """Build the Trainer's arguments for a phase.

    Args:
        phase: optimiser and schedule.
        training: settings of speed and memory.
        samples: length of the plan.
        folder: the phase's folder.
        validates: whether there is a validation set.
    """
    optimiser = phase.optimiser
    micro, accumulated = split_batch(phase, training)
    updates = -(-samples // optimiser.batch_size)
    every = max(1, updates // training.evaluations)
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        num_train_epochs=1,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=accumulated,
        learning_rate=optimiser.learning_rate,
        weight_decay=optimiser.weight_decay,
        warmup_steps=round(optimiser.warmup * updates),
        lr_scheduler_type="constant_with_warmup" if optimiser.schedule == "constant" else optimiser.schedule,
        max_grad_norm=optimiser.max_grad_norm,
        bf16=training.precision == "bfloat16",
        train_sampling_strategy="sequential",
        dataloader_num_workers=training.workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        label_names=["labels"],
        seed=training.seed,
        logging_steps=max(1, updates // 50),
        eval_strategy="steps" if validates else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=training.save_every,
        report_to="none",
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # one process per GPU: no DataParallel
    return arguments


def last_checkpoint(folder: Path) -> str | None:
    """Return the last complete checkpoint in a phase's folder, or `None`."""
    checkpoints = folder / "checkpoints"
    return get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None


def tensorboard(folder: Path) -> list[TrainerCallback]:
    """Return TensorBoard's callback if the extra is installed and this is the main process."""
    if not process_state().is_main_process:
        return []
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return []
    return [TensorBoardCallback(SummaryWriter(str(folder)))]


def _best_so_far(folder: Path, metric: str) -> float:
    """Return the score of the stored best weights, so that a resumed run does not replace them with worse ones."""
    found = folder / "validation.json"
    return float(json.loads(found.read_text(encoding="utf-8"))[metric]) if found.is_file() else -1.0
