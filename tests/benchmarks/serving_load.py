"""A caller that costs little: requests over kept-alive HTTP/1.1 connections, by raw sockets in one thread.

``python -m tests.benchmarks.serving_load PORT CONNECTIONS COUNT FIRST PATH BODIES TIMES [HEADER ...]`` sends COUNT
requests, each connection the next one when its answer is there, and writes what each took to TIMES: float64 seconds,
in the order of the answers. BODIES has a body on each line; they are sent from the line FIRST on, again from the start
when they end. It prints how long all took, its own processor time, answers by status and their bytes. It imports
nothing that costs.
"""

import gc
import json
import select
import socket
import sys
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

_MOST = 1 << 18
_LENGTH = b"content-length:"


class BrokenError(Exception):
    """The server ended a connection, or answered with what is no HTTP/1.1 with a length."""


class Connection:
    """One connection, with one request under way at most."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got, self._body, self._end = b"", 0, 0

    def send(self, request: bytes) -> None:
        """Begin a request."""
        self._got, self._end = b"", 0
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Take what has come; whether the answer is whole now."""
        part = self.socket.recv(_MOST)
        if not part:
            raise BrokenError("the server ended the connection")
        self._got += part
        if not self._end:
            head = self._got.find(b"\r\n\r\n")
            if head < 0:
                return False
            said = self._got[:head].lower()
            place = said.find(_LENGTH)
            if place < 0:
                raise BrokenError("an answer without its length")
            self._body = head + 4
            self._end = self._body + int(said[place + len(_LENGTH) :].split(b"\r\n", 1)[0])
        return len(self._got) >= self._end

    @property
    def status(self) -> bytes:
        """Of the last answer."""
        return self._got[9:12]

    @property
    def body(self) -> bytes:
        """Of the last answer."""
        return self._got[self._body : self._end]


def request(path: str, body: bytes, headers: Sequence[str] = ()) -> bytes:
    """The bytes of a POST."""
    told = "".join(f"{line}\r\n" for line in headers)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{told}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def closed_loop(port: int, connections: int, requests: Sequence[bytes]) -> tuple[array, float, Counter[str], int]:
    """(seconds of each request, of all together, answers by status, bytes of the bodies)."""
    poll, clock = select.epoll(), time.perf_counter
    by_number = {c.socket.fileno(): c for c in (Connection(port) for _ in range(connections))}
    times, statuses, size = array("d"), Counter[str](), 0
    waiting, sent = iter(requests), dict.fromkeys(by_number, 0.0)
    begun = clock()
    for number, connection in by_number.items():
        if (first := next(waiting, None)) is None:
            break
        poll.register(number, select.EPOLLIN)
        sent[number] = clock()
        connection.send(first)
    left = len(requests)
    while left:
        for number, _ in poll.poll():
            connection = by_number[number]
            if not connection.receive():
                continue
            now = clock()
            times.append(now - sent[number])
            statuses[connection.status.decode()] += 1
            size += len(connection.body)
            left -= 1
            if (after := next(waiting, None)) is not None:
                sent[number] = clock()
                connection.send(after)
    seconds = clock() - begun
    poll.close()
    for connection in by_number.values():
        connection.socket.close()
    return times, seconds, statuses, size


def main() -> None:
    """Send, and say what it took."""
    port, connections, count, first, path, bodies, kept, *headers = sys.argv[1:]
    lines = Path(bodies).read_bytes().splitlines()
    requests = [request(path, lines[(int(first) + i) % len(lines)], headers) for i in range(int(count))]
    gc.freeze()
    gc.disable()
    before = time.process_time()
    times, seconds, statuses, size = closed_loop(int(port), int(connections), requests)
    Path(kept).write_bytes(times.tobytes())
    cpu = time.process_time() - before
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "statuses": statuses, "bytes": size}))


if __name__ == "__main__":
    main()
