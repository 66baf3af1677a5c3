"""Rows of the paper table, as in `docs/results/papers/*.yaml`: the printed figure, and the place of our figure.

A row has either a counterpart of ours (`ours`) or the reason why there is none (`without`). Not supported: figures that
are printed only in plots.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from emosllm.safe_yaml import read_yaml

RESULTS = Path("docs/results")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Counterpart(_Part):
    """The place of a figure of ours: results of a study or protocol, a count of clips called neutral, or a recipe."""

    file: str | None = Field(None, description="JSON under docs/results")
    row: str | None = Field(None, description="of the file's rows, by name; the only one where not given")
    best: bool = Field(False, description="the file's best row")
    called: Literal["with", "without"] | None = Field(None, description="the system that is wrong")
    trainable: str | None = Field(None, description="a recipe, whose trained weights are counted")
    test: str | None = Field(None, description="the test that holds us to that count")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.trainable is None) or (self.trainable is None) != (self.test is None):
            raise ValueError("give file, or trainable and test")
        return self


class Row(_Part):
    """One figure of a paper."""

    where: str = Field(description="section, table or figure")
    what: str = Field(description="the system or setting")
    figure: str = Field(description="as printed")
    metric: str | None = Field(None, description="the table's where not given")
    corpus: str | None = Field(None, description="of corpora.yaml; the table's where not given")
    commands: tuple[str, ...] = Field(
        (), description="what reproduces it with the licensed data; none for others' systems"
    )
    trainings: int | None = Field(None, description="number of trainings, if the commands do not state it")
    ours: Counterpart | None = None
    remark: str | None = Field(None, description="where ours differs by more than size")
    without: str | None = Field(None, description="why we have no counterpart")

    @model_validator(mode="after")
    def _ours_or_why_not(self) -> Self:
        if (self.ours is None) == (self.without is None):
            raise ValueError("give ours, or without and why")
        return self


class Paper(_Part):
    """The figures of one paper."""

    title: str
    about: str
    metric: str
    corpus: str
    rows: tuple[Row, ...]


class Corpus(_Part):
    """The training data of a corpus."""

    title: str
    licence: str
    clips: dict[str, int] = Field(description="task -> clips; asr where phases transcribe, ser for all others")
    seconds: float = Field(description="mean of a clip")
    source: str


class ShownStudy(_Part):
    """One of our studies, and its conclusion."""

    file: str
    title: str
    first: str = Field("", description="what must be there before the command")
    command: str
    settings: str = Field("", description="key of the settings that the command ends with")
    shows: str
    does_not: str


def read_papers(root: Path) -> dict[str, Paper]:
    """The papers, by the names of their files."""
    found = sorted((root / RESULTS / "papers").glob("*.yaml"))
    return {path.stem: Paper.model_validate(read_yaml(path, f"{path} is")) for path in found}


def read_corpora(root: Path) -> dict[str, Corpus]:
    """The corpora, by name."""
    tree = read_yaml(root / RESULTS / "corpora.yaml", "corpora.yaml is")
    return {name: Corpus.model_validate(corpus) for name, corpus in tree.items()}


def read_shown_studies(root: Path) -> dict[str, ShownStudy]:
    """Our studies at nano scale, in the order of the page."""
    tree = read_yaml(root / RESULTS / "studies.yaml", "studies.yaml is")
    settings = tree.pop("settings", {})
    shown = {name: ShownStudy.model_validate(study) for name, study in tree.items()}
    return {
        name: study.model_copy(update={"command": f"{study.command} {settings.get(study.settings, '')}".strip()})
        for name, study in shown.items()
    }
