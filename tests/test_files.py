"""Atomic writing: a file is complete or absent under its final name, after any interruption."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emosllm.errors import UserError
from emosllm.files import atomic_file, atomic_folder, write_atomically


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_text_and_bytes_are_written_as_they_are(tmp_path):
    write_atomically(tmp_path / "new" / "a.txt", "Zürich\r\n")
    write_atomically(tmp_path / "new" / "b.bin", b"\x00\xff")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "Zürich\r\n".encode()
    assert (tmp_path / "new" / "b.bin").read_bytes() == b"\x00\xff"
    assert names(tmp_path / "new") == ["a.txt", "b.bin"]


def test_a_file_is_replaced_and_has_ordinary_permissions(tmp_path):
    path = tmp_path / "a.txt"
    write_atomically(path, "old")
    write_atomically(path, "new")
    (tmp_path / "plain").touch()
    assert path.read_text() == "new"
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_name_as_long_as_the_disk_allows(tmp_path):
    write_atomically(tmp_path / ("x" * 255), "fits")
    assert names(tmp_path) == ["x" * 255]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_atomically(path, "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"a\.txt: No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_in_the_way_is_a_users_error(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="cannot write"):
        write_atomically(tmp_path / "a", "text")
    assert names(tmp_path) == ["a"]


def test_a_folder_appears_when_it_is_whole(tmp_path):
    with atomic_folder(tmp_path / "deep" / "run") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "deep" / "run").exists()
    assert names(tmp_path / "deep") == ["run"]
    assert names(tmp_path / "deep" / "run") == ["a"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "old").write_text("1")
    with atomic_folder(run) as folder:
        (folder / "new").write_text("2")
        assert names(run) == ["old"]
    assert names(tmp_path) == ["run"]
    assert names(run) == ["new"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failing_block_leaves_the_old_folder_and_its_own_error(tmp_path, error):
    run = tmp_path / "run"
    run.mkdir()
    (run / "old").write_text("1")

    def half_a_block():
        with atomic_folder(run) as folder:
            (folder / "new").write_text("2")
            raise error

    with pytest.raises(error) as raised:
        half_a_block()
    assert raised.type is error
    assert names(tmp_path) == ["run"]
    assert names(run) == ["old"]


def test_the_old_folder_comes_back_when_the_last_rename_fails(tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    (run / "old").write_text("1")
    rename = Path.rename

    def stubborn(self, target):
        if (self / "new").exists():
            raise OSError(16, "Device or resource busy")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(UserError, match="busy"), atomic_folder(run) as folder:
        (folder / "new").write_text("2")
    assert names(tmp_path) == ["run"]
    assert names(run) == ["old"]


def test_a_folder_of_other_files_is_not_replaced(tmp_path):
    home = tmp_path / "recordings"
    home.mkdir()
    with atomic_folder(home, marker="config.json") as folder:
        (folder / "config.json").write_text("{}")
    with atomic_folder(home, marker="config.json"):
        pass
    (home / "irreplaceable.wav").write_text("1")
    with pytest.raises(UserError, match=r"no config\.json"), atomic_folder(home, marker="config.json"):
        pytest.fail("the block must not run")
    assert names(tmp_path) == ["recordings"]
    assert names(home) == ["irreplaceable.wav"]


def test_a_file_is_never_replaced_by_a_folder(tmp_path):
    (tmp_path / "a").write_text("1")
    with pytest.raises(UserError, match="a file has that name"), atomic_folder(tmp_path / "a"):
        pytest.fail("the block must not run")


def test_through_a_link_to_another_place(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "here").symlink_to(tmp_path / "there")
    with atomic_folder(tmp_path / "here") as folder:
        (folder / "a").write_text("1")
    assert (tmp_path / "here").is_symlink()
    assert names(tmp_path / "there") == ["a"]


def test_killed_in_the_middle_leaves_nothing_under_the_final_name(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path; from emosllm.files import atomic_folder\n"
        "with atomic_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('x'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "run")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "run").exists()
    assert all(name.startswith(".") and name.endswith(".tmp") for name in names(tmp_path))


# --- atomic_file


def test_a_long_file_takes_its_name_when_it_is_whole(tmp_path):
    target = tmp_path / "new" / "long.csv"
    with atomic_file(target) as temporary:
        with temporary.open("x") as file:
            file.writelines(f"{n}\n" for n in range(1000))
        assert not target.exists()
    assert len(target.read_text().splitlines()) == 1000
    assert [path.name for path in target.parent.iterdir()] == ["long.csv"]


def test_a_long_file_that_breaks_off_leaves_the_old_one(tmp_path):
    target = tmp_path / "long.csv"
    target.write_text("old")

    def broken_off():
        with atomic_file(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["long.csv"]


def test_a_full_disk_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*: No space left"), atomic_file(tmp_path / "x"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
