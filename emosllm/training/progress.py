"""Progress bar of a training phase: updates done, the last loss and validation score, and the time left."""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class PhaseProgress(TrainerCallback):
    """Draw the progress on the main process's console; replaces the Trainer's own bar.

    Args:
        name: the phase's name.
        console: the console to draw on.
    """

    def __init__(self, name: str, console: Console) -> None:
        self.bar = Progress(
            TextColumn(name),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[scores]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self.scores = {"loss": "", "ua": ""}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the bar at the current update, which is above 0 in a resumed phase."""
        if state.is_world_process_zero:
            self.task = self.bar.add_task("", total=state.max_steps, completed=state.global_step, scores="")
            self.bar.start()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Advance by one update."""
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
        """Show the newest loss and validation score."""
        for name, key in (("loss", "loss"), ("ua", "eval_ua")):
            if logs and key in logs:
                self.scores[name] = f"{'val UA' if name == 'ua' else name} {float(logs[key]):.3f}"
        if state.is_world_process_zero and self.bar.live.is_started:
            self.bar.update(self.task, scores=" ".join(text for text in self.scores.values() if text))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop the bar; its last state stays on the screen."""
        self.bar.stop()
