"""Sessions of clients: statistics of a client's recordings, to which answers adapt, in memory for an hour."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from emosllm.inference.adaptation import Session

MOST_SESSIONS = 256
SECONDS = 3600.0


class Sessions:
    """Sessions by key, the most recently used one last. They hold no recordings, only mean and deviation of frames.

    Args:
        most: how many are kept; the least recently used one is removed first.
        seconds: a session without a recording for this long is removed.
        clock: returns seconds since a fixed time.
    """

    def __init__(
        self, most: int = MOST_SESSIONS, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most, self.seconds, self.clock = most, seconds, clock
        self._kept: OrderedDict[Hashable, tuple[float, Session]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, new: Callable[[], Session]) -> Session:
        """The session of a key; a new one if there is none.

        Args:
            key: the client and its name for the session.
            new: creates a session; its errors are passed on.
        """
        with self._lock:
            now = self.clock()
            for old in [name for name, (used, _) in self._kept.items() if now - used > self.seconds]:
                del self._kept[old]
            session = self._kept.pop(key)[1] if key in self._kept else new()
            self._kept[key] = (now, session)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
            return session

    def __len__(self) -> int:
        return len(self._kept)
