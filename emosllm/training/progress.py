"""A progress bar for a phase: updates done, the last loss and validation, and the time that is left."""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class PhaseProgress(TrainerCallback):
    """Draws on the console of the process that writes; takes the place of the Trainer's own bar.

    Args:
        name: of the phase.
        console: where to draw.
    """

    def __init__(self, name: str, console: Console) -> None:
        self.bar = Progress(
            TextColumn(name),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self.told = {"loss": "", "ua": ""}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start at the update that a resumed phase takes up."""
        if state.is_world_process_zero:
            self.task = self.bar.add_task("", total=state.max_steps, completed=state.global_step, told="")
            self.bar.start()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """One update further."""
        if state.is_world_process_zero:
            self.bar.update(self.task, completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Show the newest loss and validation."""
        for name, key in (("loss", "loss"), ("ua", "eval_ua")):
            if logs and key in logs:
                self.told[name] = f"{'val UA' if name == 'ua' else name} {float(logs[key]):.3f}"
        if state.is_world_process_zero and self.bar.live.is_started:
            self.bar.update(self.task, told=" ".join(text for text in self.told.values() if text))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Leave the last state standing."""
        self.bar.stop()
