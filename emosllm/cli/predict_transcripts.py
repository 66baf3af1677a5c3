"""The option `--transcripts` of `predict`: a table, the column of the manifest, or a speech recogniser."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emosllm.errors import UserError
from emosllm.utterance import Utterance

if TYPE_CHECKING:
    from emosllm.inference.recogniser import Recogniser
    from emosllm.inference.transcripts import Transcriber
    from emosllm.timeline.given_transcripts import GivenTranscripts


@dataclass(frozen=True)
class TranscriptSource:
    """Sources of transcripts: a table of the user, the manifest's column, a speech recogniser."""

    table: "GivenTranscripts | None" = None
    column: bool = False
    transcriber: "Transcriber | None" = None

    @property
    def given(self) -> bool:
        """Whether the utterances' own transcripts may be used."""
        return self.column or self.table is not None


def chosen_transcripts(transcripts: str | None, data: Path | None, utterances: Sequence[Utterance]) -> TranscriptSource:
    """The source that `--transcripts` names."""
    if transcripts is None or transcripts == "own":
        return TranscriptSource()
    if transcripts == "given":
        if data is None:
            raise UserError("--transcripts given: there is no manifest to take them from; add --data, or name a table")
        return TranscriptSource(column=True)
    from emosllm.timeline.given_transcripts import GivenTranscripts

    table = GivenTranscripts(Path(transcripts))
    table.check(utterance.audio for utterance in utterances if isinstance(utterance.audio, Path))
    return TranscriptSource(table=table)


def with_transcripts(utterances: Sequence[Utterance], source: TranscriptSource) -> list[Utterance]:
    """The utterances with the transcripts of the user's table, which precedes the manifest's column."""
    if source.table is None:
        return list(utterances)
    return [
        replace(utterance, transcript=source.table.of_recording(utterance.audio))
        if isinstance(utterance.audio, Path)
        else utterance
        for utterance in utterances
    ]


def source_for(
    recogniser: "Recogniser",
    source: TranscriptSource,
    transcripts: str | None,
    model: str,
    *,
    manifest: bool,
    asr: str | None,
    device: str | None,
) -> TranscriptSource:
    """The source, completed by settings that depend on the loaded system.

    Args:
        recogniser: the system.
        source: what `chosen_transcripts` returned.
        transcripts: the value of `--transcripts`.
        model: the system, as the user named it.
        manifest: whether there is a manifest with a transcript column.
        asr: the value of `--asr`.
        device: where the speech recogniser computes.

    Raises:
        UserError: `own` is requested of a system that does not transcribe, or two sources exclude each other.
    """
    if transcripts == "own" and asr is not None:
        raise UserError("--transcripts own and --asr: either the system transcribes, or the speech recogniser does")
    if transcripts == "own" and not recogniser.model.recipe.transcribes:
        raise UserError(
            f"--transcripts own: {model} does not transcribe; leave it out, name a table of transcripts, or give --asr"
        )
    if transcripts is None and (asr is not None or not recogniser.writes_words):
        source = replace(source, column=manifest)
    if asr is not None:
        from emosllm.inference.asr import load_asr

        source = replace(source, transcriber=load_asr(asr, device))
    return source
