"""`prepare audb`: from a real repository of audb on this disk, from one that means harm, and without a network."""

import pickle
import shutil
import zipfile
from contextlib import suppress

import pytest

pytest.importorskip("audb")

import audb
import audb_repository
import audformat
from commandline import emosllm, refused

from emosllm.corpora.manifest import read_manifest


def test_prepare_a_database(published, tmp_path):
    out = tmp_path / "made" / "emodb.csv"
    answer = emosllm("prepare", "audb", "emodb", "--out", out)
    assert answer.code == 0, answer
    utterances = read_manifest(out)
    assert len(utterances) == 9
    assert [(u.id, u.emotion, u.speaker, u.language, u.duration) for u in utterances[:2]] == [
        ("wav/03a01Fa.wav", "happy", "emodb_03", "de", 1.1),
        ("wav/12a05Nd.wav", "neutral", "emodb_12", "de", 0.3),
    ]
    assert utterances[0].audio == out.parent / "emodb-1.4.1" / "wav" / "03a01Fa.wav"
    assert (out.parent / "emodb.csv.datasheet.md").read_text("utf-8").startswith("# emodb\n\n9 utterances")
    assert not list(out.parent.rglob("*.pkl"))
    assert not list(out.parent.rglob("*.tmp"))


def test_prepare_a_version_with_tables_as_csv(published, tmp_path):
    out = tmp_path / "m.csv"
    assert emosllm("prepare", "audb", "emodb", "--version", "1.3.0", "--out", out).code == 0
    assert len(read_manifest(out)) == 9
    assert sorted(path.name for path in (tmp_path / "emodb-1.3.0").iterdir()) == [
        "db.emotion.csv", "db.files.csv", "db.yaml", "wav",
    ]  # fmt: skip


def test_a_version_that_shares_files_with_an_older_one(published, tmp_path):
    folder = tmp_path / "next"
    db = audb.load_to(str(folder), "emodb", version="1.4.1", verbose=False)
    db["emotion"]["emotion"] = audformat.Column(scheme_id="emotion")
    db["emotion"]["emotion"].set(["anger"] * 9)
    db.save(str(folder), storage_format="parquet")
    audb.publish(str(folder), "1.5.0", audb.config.REPOSITORIES[0], previous_version="1.4.1", verbose=False)
    assert not (published / "media" / "1.5.0").exists()
    assert emosllm("prepare", "audb", "emodb", "--out", tmp_path / "m.csv").code == 0
    assert {(u.emotion, u.audio.parts[-3]) for u in read_manifest(tmp_path / "m.csv")} == {("angry", "emodb-1.5.0")}


def test_a_legacy_dependency_table(published, tmp_path):
    """audb before 1.7 published `db.csv` in `db.zip` in place of `db.parquet`."""
    folder = published / "1.3.0"
    files = audb.Dependencies()
    files.load(str(folder / "db.parquet"))
    files.save(str(tmp_path / "db.csv"))
    with zipfile.ZipFile(folder / "db.zip", "w") as archive:
        archive.write(tmp_path / "db.csv", "db.csv")
    (folder / "db.parquet").unlink()
    assert emosllm("prepare", "audb", "emodb", "--version", "1.3.0", "--out", tmp_path / "m.csv").code == 0
    assert len(read_manifest(tmp_path / "m.csv")) == 9


def test_only_what_is_missing_or_spoilt_is_downloaded_again(published, tmp_path):
    words = ("prepare", "audb", "emodb", "--out", tmp_path / "m.csv")
    assert emosllm(*words).code == 0
    wav = tmp_path / "emodb-1.4.1" / "wav"
    kept = (wav / "03a01Fa.wav").stat().st_mtime_ns
    whole = (wav / "12a05Nd.wav").read_bytes()
    (wav / "12a05Nd.wav").write_bytes(whole[:100])
    assert emosllm(*words).code == 0
    assert (wav / "12a05Nd.wav").read_bytes() == whole
    assert (wav / "03a01Fa.wav").stat().st_mtime_ns == kept


def test_words_alone_need_no_recordings_and_options_choose_them(published, tmp_path):
    words = ("prepare", "audb", "emodb", "transcript=emotion", "--text", "--out", tmp_path / "m.csv")
    assert emosllm(*words).code == 0
    assert [u.audio for u in read_manifest(tmp_path / "m.csv")] == [None] * 9
    assert not (tmp_path / "emodb-1.4.1" / "wav").exists()
    assert "has no option 'mood'" in refused("prepare", "audb", "emodb", "mood=x", "--out", tmp_path / "m.csv")


def test_names_and_versions_that_are_not_there(published, tmp_path):
    out = ("--out", tmp_path / "m.csv")
    assert "audb has no database 'msppodcast' in local" in refused("prepare", "audb", "msppodcast", *out)
    message = refused("prepare", "audb", "emodb", "--version", "9.9.9", *out)
    assert "audb has no version 9.9.9 of emodb: it has 1.3.0, 1.4.1" in message
    for name in ("../emodb", "a/b", ".."):
        assert f"'{name}' is not a name or version of an audb database" in refused("prepare", "audb", name, *out)
    assert "--version 1 is for audb; emodb is read from a folder" in refused(
        "prepare", "emodb", tmp_path, "--version", "1", *out
    )
    assert not (tmp_path / "m.csv").exists()


# --- a repository that means harm


class Marker:
    """An object whose unpickling makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def repack(archive, **members):
    """Replace an archive by one with the same members and more."""
    with zipfile.ZipFile(archive) as old:
        content = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(archive, "w") as new:
        for name, text in {**content, **members}.items():
            new.writestr(name, text)


def test_pickles_and_paths_in_archives_are_left_there(published, tmp_path):
    ran, bomb = tmp_path / "RAN", pickle.dumps(Marker(tmp_path / "RAN"))
    for archive in published.rglob("*.zip"):
        repack(archive, **{"db.emotion.pkl": bomb, "db.pkl": bomb, "../../escaped": "x", f"{tmp_path}/absolute": "x"})
    for version in ("1.3.0", "1.4.1"):
        words = ("prepare", "audb", "emodb", "--version", version, "--out", tmp_path / "made" / "m.csv")
        assert emosllm(*words).code == 0
    assert not ran.exists()
    assert not list(tmp_path.rglob("escaped"))
    assert not list(tmp_path.rglob("absolute"))
    assert not list((tmp_path / "made").rglob("*.pkl"))
    with suppress(Exception):
        audb.load("emodb", version="1.3.0", verbose=False)
    assert ran.exists()  # the planted files do harm where audb itself opens them
    assert list(tmp_path.rglob("absolute"))


def test_a_header_that_constructs_objects(published, tmp_path):
    ran, header = tmp_path / "RAN", published / "1.4.1" / "db.yaml"
    lines = header.read_text("utf-8").splitlines()
    planted = f'source: !!python/object/apply:os.mkdir ["{ran}"]'
    header.write_text("\n".join(planted if line.startswith("source:") else line for line in lines), "utf-8")
    message = refused("prepare", "audb", "emodb", "--out", tmp_path / "m.csv")
    assert "is a broken audformat database (could not determine a constructor for the tag" in message
    assert not ran.exists()
    assert not (tmp_path / "m.csv").exists()


def test_files_outside_of_the_folder_and_files_that_were_changed(published, tmp_path):
    table = published / "1.4.1" / "db.parquet"
    files = audb.Dependencies()
    files.load(str(table))
    media = published / "media" / "1.4.1" / f"{files.archive('wav/12a05Nd.wav')}.zip"
    repack(media, **{"wav/12a05Nd.wav": b"other"})
    message = refused("prepare", "audb", "emodb", "--out", tmp_path / "m.csv")
    assert "audb: wav/12a05Nd.wav of emodb 1.4.1 came with another MD5 sum: try again" in message
    assert not (tmp_path / "emodb-1.4.1" / "wav" / "12a05Nd.wav").exists()
    rows = files()
    rows.index = [file.replace("db.emotion", "../db.emotion") for file in rows.index]
    files.save(str(table))
    message = refused("prepare", "audb", "emodb", "--out", tmp_path / "m.csv")
    assert "emodb-1.4.1: its file '../db.emotion.parquet' is outside the database's folder" in message
    assert not (tmp_path / "db.emotion.parquet").exists()


@pytest.mark.parametrize("file", ["../secret.wav", "/secret.wav"])
def test_tables_that_name_recordings_elsewhere(tmp_path, file):
    db = audb_repository.make_database(tmp_path / "new")
    db.save(str(tmp_path / "new"), storage_format="parquet")
    db["more"] = audformat.Table(audformat.filewise_index([file]))
    db["more"]["emotion"] = audformat.Column(scheme_id="emotion")
    db["more"]["emotion"].set(["anger"])
    with audb_repository.repository(tmp_path) as place:
        audb_repository.publish(place, tmp_path / "new", "1.4.1")
        meta = tmp_path / "host" / "local" / "emodb" / "meta" / "1.4.1"
        db["more"].save(str(meta / "more"), storage_format="parquet")
        db.save(str(tmp_path / "changed"), storage_format="parquet")
        shutil.copy(tmp_path / "changed" / "db.yaml", meta.parents[1] / "1.4.1" / "db.yaml")
        table = meta.parents[1] / "1.4.1" / "db.parquet"
        files = audb.Dependencies()
        files.load(str(table))
        rows = files()
        rows.loc["db.more.parquet"] = rows.loc["db.emotion.parquet"]
        files.save(str(table))
        message = refused("prepare", "audb", "emodb", "--out", tmp_path / "made" / "m.csv")
    assert f"its file '{file}' is outside the database's folder: do not use it" in message


def test_a_broken_configuration_of_audb(tmp_path, monkeypatch):
    monkeypatch.setattr(audb.config, "REPOSITORIES", [audb.Repository("local", str(tmp_path), "carrier-pigeon")])
    message = refused("prepare", "audb", "emodb", "--out", tmp_path / "m.csv")
    assert f"audb cannot reach its repository local at {tmp_path}: 'carrier-pigeon' is not a registered" in message


def test_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the client's tries
    monkeypatch.setattr(audb.config, "REPOSITORIES", [audb.Repository("audb-public", "127.0.0.1:9", "s3")])
    message = refused("prepare", "audb", "emodb", "--out", tmp_path / "m.csv")
    assert message.startswith("emosllm: audb cannot reach its repository audb-public at 127.0.0.1:9: ")
    assert "Connection refused" in message
    assert message.endswith("check the network")
    assert not (tmp_path / "m.csv").exists()
