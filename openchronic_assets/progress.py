"""Progress of long work, told to whoever listens: the command line draws it, tests ignore it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

Listener = Callable[[str, int, int], None]
_listeners: list[Listener] = []


def report(step: str, done: int, total: int) -> None:
    """Tell the listeners that ``done`` of ``total`` pieces of a step have ended."""
    for listener in _listeners:
        listener(step, done, total)


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have a listener told of progress while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
