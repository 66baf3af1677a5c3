"""Draw the probabilities of all rows as a picture."""

from pathlib import Path

from emosllm.inference.rows import Row
from emosllm.reporting.prediction_plot import draw_predictions
from emosllm.reporting.style import check_picture
from emosllm.sinks.sink import Sink


class PredictionPicture(Sink):
    """Draw all rows into one picture after the last one.

    Args:
        path: ends in `.png`, `.svg` or `.pdf`.
        model: the system's name in the title.

    Raises:
        UserError: the ending is unknown.
    """

    def __init__(self, path: Path, model: str) -> None:
        check_picture(path)
        self.path, self.model = path, model
        self.collected: list[Row] = []

    def add(self, row: Row) -> None:
        """Keep the row."""
        self.collected.append(row)

    def finish(self) -> None:
        """Draw the rows."""
        sources = dict.fromkeys(row.transcript_from for row in self.collected if row.transcript_from)
        predictions = [row.prediction for row in self.collected]
        draw_predictions(predictions, self.path, f"Emotions by {self.model}", list(sources))
