"""What is kept is kept once, whole, in order; another run, another process and a stranger's folder are refused."""

import subprocess
import sys

import pytest

from emosllm.errors import UserError
from emosllm.sinks.journal import Journal

FACTS = {"model": "nano", "data": "abc", "labels": ("sad", "angry")}


def rows(first, count):
    return [{"n": n, "text": "ä\n"} for n in range(first, first + count)]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results.csv"


def test_parts_are_read_back_in_order_by_a_later_process(out):
    journal = Journal(out, FACTS)
    journal.keep(rows(0, 3))
    journal.keep(rows(3, 2))
    later = Journal(out, FACTS)
    assert later.rows_done() == 5
    later.keep(rows(5, 1))
    assert list(later.rows()) == rows(0, 6)


def test_a_part_that_is_not_there_ends_what_is_kept(out):
    journal = Journal(out, FACTS)
    for first in (0, 2, 4):
        journal.keep(rows(first, 2))
    next(path for path in journal.folder.iterdir() if path.name.startswith("000000002")).unlink()
    again = Journal(out, FACTS)
    assert again.rows_done() == 2
    again.keep(rows(2, 2))
    assert list(again.rows()) == rows(0, 6)


def test_what_a_kill_leaves_half_written_is_not_read(out):
    journal = Journal(out, FACTS)
    journal.keep(rows(0, 2))
    (journal.folder / ".000000002-2.jsonl.0123456789ab.tmp").write_text('{"n": 2')
    assert list(Journal(out, FACTS).rows()) == rows(0, 2)


@pytest.mark.parametrize("name", FACTS)
def test_another_run_does_not_go_on_with_it(out, name):
    Journal(out, FACTS)
    with pytest.raises(UserError, match=f"was begun with another {name}: .* give another --out"):
        Journal(out, FACTS | {name: "other"})


def test_a_result_that_is_there_is_not_replaced(out):
    out.write_text("mine")
    with pytest.raises(UserError, match="it exists already"):
        Journal(out, FACTS)
    assert not (out.parent / "results.csv.parts").exists()


def test_a_strangers_folder_is_left_alone(out):
    folder = out.parent / "results.csv.parts"
    folder.mkdir()
    (folder / "diary.txt").write_text("dear diary")
    with pytest.raises(UserError, match="not the journal of a result file"):
        Journal(out, FACTS)
    assert [path.name for path in folder.iterdir()] == ["diary.txt"]


def test_a_damaged_journal_is_one_line(out):
    (Journal(out, FACTS).folder / "run.json").write_text("{")
    with pytest.raises(UserError, match=r"run\.json is damaged"):
        Journal(out, FACTS)


def test_two_processes_do_not_write_one_result(out):
    holder = (
        "import sys; from pathlib import Path; from emosllm.sinks.journal import Journal\n"
        f"with Journal(Path({str(out)!r}), {FACTS!r}).locked():\n    print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="being written by another process"), Journal(out, FACTS).locked():
            pass
    finally:
        process.kill()
        process.communicate()
    with Journal(out, FACTS).locked():
        pass


def test_the_journal_goes_when_it_has_served(out):
    journal = Journal(out, FACTS)
    journal.keep(rows(0, 1))
    journal.remove()
    assert list(out.parent.iterdir()) == []
