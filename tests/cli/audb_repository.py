"""A repository of audb on this disk, with small databases that are published into it by audb itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import audb
import audformat
import soundfile as sf
import tiny

NAMES = ("12a05Nd", "12a05Ta", "12a05Wb", "12b02Fb", "14b02Fb", "14b02Na", "14b02Tc", "14b02Wb", "03a01Fa")
EMOTIONS = {"N": "neutral", "T": "sadness", "W": "anger", "F": "happiness"}


def make_database(folder: Path) -> audformat.Database:
    """A miniature of emodb with the eight samples and one clip more: header, tables and recordings in `folder`."""
    files = [f"wav/{name}.wav" for name in NAMES]
    (folder / "wav").mkdir(parents=True)
    for number, file in enumerate(files):
        sf.write(folder / file, tiny.clip(0.3 + 0.1 * number, seed=number), 16_000)
    db = audformat.Database("emodb", source="https://example.org/emodb", languages=["de"], license="CC0-1.0")
    db.schemes["emotion"] = audformat.Scheme("str", labels=sorted(EMOTIONS.values()))
    db["emotion"] = audformat.Table(audformat.filewise_index(files))
    db["emotion"]["emotion"] = audformat.Column(scheme_id="emotion")
    db["emotion"]["emotion"].set([EMOTIONS[name[5]] for name in NAMES])
    db["files"] = audformat.Table(audformat.filewise_index(files))
    db["files"]["speaker"] = audformat.Column()
    db["files"]["speaker"].set([name[:2] for name in NAMES])
    return db


@contextmanager
def repository(folder: Path) -> Iterator[audb.Repository]:
    """An empty repository below `folder`, the only one of audb's configuration."""
    before, root = audb.config.REPOSITORIES, folder / "host"
    (root / "local").mkdir(parents=True)
    audb.config.REPOSITORIES = [audb.Repository("local", str(root), "file-system")]
    try:
        yield audb.config.REPOSITORIES[0]
    finally:
        audb.config.REPOSITORIES = before


def publish(place: audb.Repository, folder: Path, version: str, storage: str = "parquet") -> None:
    """Publish a new database with its tables in one format."""
    if not (folder / "db.yaml").exists():
        make_database(folder).save(str(folder), storage_format=storage)
    audb.publish(
        str(folder), version, place, previous_version=None, cache_root=str(folder.parent / "cache"), verbose=False
    )
