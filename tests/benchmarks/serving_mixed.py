"""A caller that asks for decisions, tells events and outcomes, at a steady pace: what a service lives through.

``python -m tests.benchmarks.serving_mixed PORT CONNECTIONS RATE SECONDS PEOPLE BODIES NOW KEPT HEADER`` sends RATE
requests a second (0: as many as are answered), each at its time whether the one before was answered or not, and writes
to KEPT records of `RECORD`. What took long counts from when it was due. Seven of ten ask for a decision, two tell
events of somebody in PEOPLE (on each line customer, tab, cookie), one what came of an earlier decision.
"""

import gc
import json
import random
import select
import struct
import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.benchmarks.serving_load import Connection, request

DECISION, EVENT, OUTCOME = range(3)
NAMES = ("decisions", "events", "outcomes")
RECORD = struct.Struct("<ddHB")
"""Seconds since the start when it was due, seconds it took, status (0: no answer), what it was."""
_SHARES = (0.7, 0.9)
_LINKS = 0.05
_REMEMBERED = 500
_TOPICS = ("billing", "outage", "speed", "price", "plans", "device", "roaming", "help", "security", "coverage")


class Mix:
    """Draws requests. ``now``: the service's, so that nothing told is to come."""

    def __init__(self, people: list[str], bodies: list[bytes], now: datetime, headers: list[str], seed: int) -> None:
        self._people, self._bodies, self._now, self._headers = people, bodies, now, headers
        self._draw, self._seed, self._number = random.Random(seed), seed, 0
        self._decided: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED)

    def next(self) -> tuple[int, bytes]:
        """What it is, and its bytes."""
        self._number += 1
        drawn = self._draw.random()
        if drawn >= _SHARES[1] and self._decided:
            return OUTCOME, request("/v1/outcomes", self._outcome(), self._headers)
        if _SHARES[0] <= drawn < _SHARES[1]:
            return EVENT, request("/v1/events", self._event(), self._headers)
        return DECISION, request("/v1/decisions", self._draw.choice(self._bodies), self._headers)

    def answered(self, body: bytes) -> None:
        """Remember what may have an outcome."""
        place = body.find(b'"actions":[{"action":"')
        if place > 0:
            action = body[place + 22 :].split(b'"', 1)[0].decode()
            self._decided.append((body[16:].split(b'"', 1)[0].decode(), action))

    def _outcome(self) -> bytes:
        decision, action = self._decided.popleft()
        response = self._draw.choice(("shown", "accepted", "declined"))
        return json.dumps({"decision_id": decision, "action": action, "response": response}).encode()

    def _event(self) -> bytes:
        customer, cookie = self._draw.choice(self._people).split("\t")
        key = {"type": "cookie", "value": cookie} if cookie and self._draw.random() < 0.5 else None
        fact = {
            "source": "journey",
            "id": f"bench-{self._seed}-{self._number}",
            "key": key or {"type": "customer", "value": customer},
            "at": (self._now - timedelta(seconds=self._draw.randrange(3600))).isoformat(),
            "phase": self._draw.choice(("explore", "use", "ask")),
            "channel": self._draw.choice(("web", "app", "call_center")),
            "action": "view",
            "topic": self._draw.choice(_TOPICS),
        }
        if self._draw.random() < _LINKS:
            fact = {
                "source": "evidence",
                "id": f"bench-link-{self._seed}-{self._number}",
                "key": {"type": "cookie", "value": f"bench{self._seed:06d}{self._number:09d}"},
                "other": {"type": "customer", "value": customer},
                "at": fact["at"],
                "state": "linked",
            }
        return json.dumps({"facts": [fact]}).encode()


def paced(port: int, connections: int, rate: float, seconds: float, mix: Mix, kept: Path) -> float:
    """Seconds it all took; ``rate`` 0: every connection sends again once it is answered."""
    poll, clock = select.epoll(), time.perf_counter
    idle = [Connection(port) for _ in range(connections)]
    busy: dict[int, tuple[Connection, float, int]] = {}
    for connection in idle:
        poll.register(connection.socket.fileno(), select.EPOLLIN)
    begun, sent = clock(), 0
    with kept.open("wb") as file:
        while True:
            now = clock() - begun
            while idle and now < seconds and (not rate or sent / rate <= now):
                due = sent / rate if rate else now
                kind, asked = mix.next()
                connection = idle.pop()
                connection.send(asked)
                busy[connection.socket.fileno()] = connection, due, kind
                sent += 1
            if not busy and now >= seconds:
                return now
            pause = 0.05 if not rate or not idle else min(max(sent / rate - now, 0.0), 0.05)
            for number, _ in poll.poll(pause):
                connection, due, kind = busy[number]
                if not connection.receive():
                    continue
                del busy[number]
                idle.append(connection)
                status = int(connection.status)
                file.write(RECORD.pack(due, clock() - begun - due, status, kind))
                if kind == DECISION and status == 200:
                    mix.answered(connection.body)


def main() -> None:
    """Send at a pace, and say how long it took."""
    port, connections, rate, seconds, people, bodies, now, kept, *headers = sys.argv[1:]
    lines = Path(people).read_text().splitlines()
    seed = time.time_ns() % 1_000_000
    mix = Mix(lines, Path(bodies).read_bytes().splitlines(), datetime.fromisoformat(now).astimezone(UTC), headers, seed)
    gc.freeze()
    print(paced(int(port), int(connections), float(rate), float(seconds), mix, Path(kept)))


if __name__ == "__main__":
    main()
