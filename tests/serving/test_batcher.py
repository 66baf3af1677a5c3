"""Dynamic batching without HTTP: together, in turn, within limits, and whole to the end."""

import asyncio
import threading
import time
from concurrent.futures import CancelledError

import pytest

from emosllm.serving.batcher import LONGEST_RETRY, Batcher, BusyError, StoppedError

PATIENCE = 10.0


class Bench:
    """Work that notes its batches and can be held up; it doubles numbers and raises whatever error it is given."""

    def __init__(self):
        self.batches = []
        self.threads = set()
        self.begun = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def __call__(self, items):
        self.threads.add(threading.get_ident())
        self.batches.append(list(items))
        self.begun.set()
        assert self.open.wait(PATIENCE)
        for item in items:
            if isinstance(item, Exception):
                raise item
        return [item * 2 for item in items]

    def hold(self):
        self.open.clear()
        self.begun.clear()


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def started(bench):
    """Makes batchers and stops them."""
    made = []

    def start(**options):
        made.append(Batcher(bench, **{"linger": 0.0, **options}).start())
        return made[-1]

    yield start
    bench.open.set()
    for batcher in made:
        batcher.stop(0.0 if batcher.admitted else PATIENCE)
        batcher._thread.join(PATIENCE)
        assert not batcher._thread.is_alive()


def held(bench, batcher, item=0, client="first"):
    """A line whose item keeps the worker busy until `bench.open` is set."""
    bench.hold()
    line = batcher.admit(client)
    future = line.submit(item)
    assert bench.begun.wait(PATIENCE)
    return line, future


def test_each_item_gets_its_own_answer(bench, started):
    batcher = started(batch_size=3)
    with batcher.admit("a") as line:
        futures = [line.submit(n) for n in range(20)]
        assert [future.result(PATIENCE) for future in futures] == [2 * n for n in range(20)]
    assert [n for batch in bench.batches for n in batch] == list(range(20))
    assert max(map(len, bench.batches)) <= 3


def test_one_thread_does_all_the_work(bench, started):
    batcher = started(batch_size=2, queue=50)

    def ask(name):
        with batcher.admit(name) as line:
            assert [line.submit(n).result(PATIENCE) for n in range(5)] == [0, 2, 4, 6, 8]

    askers = [threading.Thread(target=ask, args=(str(n),)) for n in range(10)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(PATIENCE)
    assert bench.threads == {batcher._thread.ident}
    assert sum(map(len, bench.batches)) == 50


def test_what_waits_is_answered_together(bench, started):
    batcher = started(batch_size=4)
    held(bench, batcher)
    lines = [batcher.admit(str(n)) for n in range(5)]
    futures = [line.submit(n) for n, line in enumerate(lines, 1)]
    bench.open.set()
    assert [future.result(PATIENCE) for future in futures] == [2, 4, 6, 8, 10]
    assert bench.batches == [[0], [1, 2, 3, 4], [5]]


def test_a_batch_lingers_for_company(bench, started):
    batcher = started(batch_size=2, linger=PATIENCE)
    line = batcher.admit("a")
    began = time.monotonic()
    futures = [line.submit(1)]
    time.sleep(0.05)
    futures.append(line.submit(2))
    assert [future.result(PATIENCE) for future in futures] == [2, 4]
    assert bench.batches == [[1, 2]]
    assert time.monotonic() - began < PATIENCE / 2  # a full batch lingers no longer


def test_a_lonely_item_waits_no_longer_than_the_linger(bench, started):
    batcher = started(batch_size=8, linger=0.02)
    assert batcher.admit("a").submit(1).result(1.0) == 2


def test_clients_take_turns(bench, started):
    batcher = started(batch_size=2)
    held(bench, batcher)
    greedy, modest = batcher.admit("greedy"), batcher.admit("modest")
    many = [greedy.submit(n) for n in range(100, 106)]
    few = [modest.submit(n) for n in (1, 2)]
    bench.open.set()
    for future in (*many, *few):
        future.result(PATIENCE)
    assert bench.batches == [[0], [100, 1], [101, 2], [102, 103], [104, 105]]


def test_the_queue_has_a_limit_and_says_when_to_come_again(bench, started):
    batcher = started(queue=2)
    held(bench, batcher)
    second = batcher.admit("second")
    with pytest.raises(BusyError, match=r"queue is full \(2 requests\); retry in \d+ s") as error:
        batcher.admit("third")
    assert 1 <= error.value.retry_after <= LONGEST_RETRY
    second.close()
    batcher.admit("third").close()


def test_the_time_to_come_again_grows_with_the_work(bench, started):
    batcher = started(queue=40)
    batcher._item_seconds = 0.5
    for n in range(40):
        batcher.admit(str(n))
    with pytest.raises(BusyError) as error:
        batcher.admit("one more")
    assert error.value.retry_after == 10


def test_a_place_is_given_free_once(bench, started):
    batcher = started(queue=2)
    line = batcher.admit("a")
    line.close()
    line.close()
    assert batcher.admitted == 0
    with batcher.admit("b"), batcher.admit("c"), pytest.raises(BusyError):
        batcher.admit("d")


def test_an_item_that_fails_hurts_no_other(bench, started):
    batcher = started(batch_size=4)
    held(bench, batcher)
    line = batcher.admit("a")
    good, bad, fine = line.submit(1), line.submit(ValueError("broken")), line.submit(3)
    bench.open.set()
    assert (good.result(PATIENCE), fine.result(PATIENCE)) == (2, 6)
    with pytest.raises(ValueError, match="broken"):
        bad.result(PATIENCE)
    assert line.submit(5).result(PATIENCE) == 10  # the worker lives on


def test_too_few_answers_are_nobodys_answer():
    batcher = Batcher(lambda items: [], linger=0.0).start()
    with pytest.raises(AssertionError, match="0 answers to 1 items"):
        batcher.admit("a").submit(1).result(PATIENCE)
    batcher.stop(0.1)


def test_what_was_cancelled_before_its_turn_is_not_computed(bench, started):
    batcher = started(batch_size=1)
    held(bench, batcher)
    line = batcher.admit("a")
    dropped, wanted = line.submit(1), line.submit(2)
    assert dropped.cancel()
    bench.open.set()
    assert wanted.result(PATIENCE) == 4
    assert bench.batches == [[0], [2]]


def test_who_leaves_takes_along_what_was_not_begun(bench, started):
    batcher = started(batch_size=1)
    first, running = held(bench, batcher)
    leaving = batcher.admit("a")
    waiting = leaving.submit(1)
    first.close()
    leaving.close()
    bench.open.set()
    assert running.result(PATIENCE) == 0  # begun, so finished
    with pytest.raises(CancelledError):
        waiting.result(PATIENCE)
    with pytest.raises(StoppedError, match="no longer waits"):
        leaving.submit(2)
    assert batcher.stop(PATIENCE)
    assert bench.batches == [[0]]


def test_an_awaiting_task_that_is_cancelled_cancels_its_item(bench, started):
    batcher = started(batch_size=1)
    held(bench, batcher)

    async def ask():
        with batcher.admit("a") as line:
            await asyncio.wrap_future(line.submit(1))

    async def give_up():
        task = asyncio.create_task(ask())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert batcher.admitted == 1  # only the first
    bench.open.set()
    assert batcher.admit("b").submit(2).result(PATIENCE) == 4
    assert [1] not in bench.batches


def test_stopping_finishes_what_was_taken(bench, started):
    batcher = started(batch_size=2)
    line, first = held(bench, batcher)
    rest = [line.submit(n) for n in range(1, 6)]
    stopped = []
    stopper = threading.Thread(target=lambda: stopped.append(batcher.stop(PATIENCE)))
    stopper.start()
    while batcher.alive:
        time.sleep(0.001)
    with pytest.raises(BusyError, match="stopping"):
        batcher.admit("late")
    bench.open.set()
    assert [future.result(PATIENCE) for future in (first, *rest)] == [0, 2, 4, 6, 8, 10]
    assert line.submit(7).result(PATIENCE) == 14  # an admitted request may go on asking
    line.close()
    stopper.join(PATIENCE)
    assert stopped == [True]


def test_stopping_does_not_wait_for_ever(bench, started):
    batcher = started(batch_size=1)
    line, running = held(bench, batcher)
    waiting = line.submit(1)
    assert batcher.stop(0.05) is False
    bench.open.set()
    assert running.result(PATIENCE) == 0
    with pytest.raises(StoppedError, match="before it processed this item; retry later"):
        waiting.result(PATIENCE)
    with pytest.raises(StoppedError):
        line.submit(2)


def test_stopping_twice_or_idle_is_no_matter(started):
    batcher = started()
    assert batcher.alive
    assert batcher.stop(PATIENCE)
    assert batcher.stop(PATIENCE)
    assert not batcher.alive


def test_batches_are_observed(bench):
    seen = []
    batcher = Batcher(bench, linger=0.0, observe=lambda size, seconds: seen.append((size, seconds))).start()
    batcher.admit("a").submit(1).result(PATIENCE)
    batcher.stop(0.1)
    assert [size for size, _ in seen] == [1]
    assert seen[0][1] >= 0


def test_nothing_is_lost_under_many_clients(bench, started):
    batcher = started(batch_size=8, queue=64)
    answers = {}

    def ask(client):
        with batcher.admit(str(client)) as line:
            futures = [line.submit(client * 1000 + n) for n in range(50)]
            answers[client] = [future.result(PATIENCE) for future in futures]

    askers = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(PATIENCE)
    assert answers == {client: [2 * (client * 1000 + n) for n in range(50)] for client in range(16)}
    assert batcher.waiting == batcher.admitted == 0
