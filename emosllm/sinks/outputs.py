"""Choose the sinks of a command by its output options, and check them before anything is computed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from emosllm.errors import UserError
from emosllm.inference.clips import ListedUtterances
from emosllm.reporting.style import check_picture
from emosllm.sinks.prediction_picture import PredictionPicture
from emosllm.sinks.printed_rows import CsvRows, JsonLines, RowTable
from emosllm.sinks.result_file import ResultFile
from emosllm.sinks.result_formats import check_result
from emosllm.sinks.sink import OutputOptions, RecognitionRun, Sink
from emosllm.sinks.timeline_output import TimelineOutput
from emosllm.timeline.exports import check_export
from emosllm.timeline.spoken_turns import SpokenTurns

if TYPE_CHECKING:
    from emosllm.inference.recogniser import Recogniser

_PRINTED: dict[str, Callable[["Recogniser"], Sink]] = {"table": RowTable, "json": JsonLines, "csv": CsvRows}


def check_outputs(options: OutputOptions, timeline: bool) -> None:
    """Refuse outputs that could not be written later.

    Args:
        options: the outputs.
        timeline: whether they are those of the timeline of one recording.

    Raises:
        UserError: an ending is unknown, a library is missing, or two options exclude each other.
    """
    out, picture = options.out, options.picture
    if timeline:
        for path in out:
            check_export(path)
    elif len(out) > 1:
        raise UserError(f"--out {out[0]} and {out[1]}: without --timeline there is one result; give one of them")
    elif out and picture is not None:
        raise UserError(f"--out {out[0]} and --picture {picture}: only printed predictions are drawn; leave one out")
    elif out:
        check_result(out[0])
    if picture is not None:
        check_picture(picture)


def sinks_of(options: OutputOptions, segmentation: SpokenTurns | ListedUtterances, run: RecognitionRun) -> list[Sink]:
    """Create the sinks; the first one decides where the stream begins and the exit code.

    Args:
        options: the outputs, as `check_outputs` accepted them.
        segmentation: the utterances, or the turns of one recording.
        run: what the rows come from.
    """
    if isinstance(segmentation, SpokenTurns):
        return [TimelineOutput(segmentation, run, options)]
    if options.out:
        return [ResultFile(options.out[0], segmentation.utterances, run)]
    pictures = [] if options.picture is None else [PredictionPicture(options.picture, run.model)]
    return [_PRINTED[options.format](run.recogniser), *pictures]
