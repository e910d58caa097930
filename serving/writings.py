"""Writings an event loop waits for: begun together, handed on by whichever thread did them, in limited time."""

import asyncio
import threading
from concurrent.futures import Future
from typing import TypeVar

from serving.live.store import Store, Work

T = TypeVar("T")


class Writings:
    """What one event loop writes to a store. ``time_limit``: seconds."""

    def __init__(self, store: Store, time_limit: float) -> None:
        self._store, self._time_limit = store, time_limit
        self._called = False

    async def durable(self, work: Work[T]) -> T:
        """What a work comes to, once it is durable. `TimeoutError` where that takes too long, though it may yet be."""
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        waiter: asyncio.Future[T] = loop.create_future()
        written = self._store.write_soon(work)
        late = loop.call_later(self._time_limit, _expire, waiter)
        if not self._called:
            self._called = True
            loop.call_soon(self._commit)  # after all requests that are there now
        written.add_done_callback(lambda done: _hand_on(loop, thread, waiter, done))
        try:
            return await waiter
        except TimeoutError:
            written.cancel()  # what was not begun is not done any more
            raise
        finally:
            late.cancel()

    def _commit(self) -> None:
        self._called = False
        self._store.commit()


def _hand_on(loop: asyncio.AbstractEventLoop, thread: int, waiter: "asyncio.Future[T]", done: "Future[T]") -> None:
    """To the loop that runs in ``thread``."""
    if threading.get_ident() == thread:
        _settle(waiter, done)
    else:
        loop.call_soon_threadsafe(_settle, waiter, done)


def _settle(waiter: "asyncio.Future[T]", done: "Future[T]") -> None:
    if waiter.done():
        return
    error = done.exception()
    if error is None:
        waiter.set_result(done.result())
    else:
        waiter.set_exception(error)


def _expire(waiter: "asyncio.Future[T]") -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
