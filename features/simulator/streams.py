"""Random numbers by name."""

import zlib

import numpy as np


class Streams:
    """One independent random generator per name, so that a new component changes no other's draws."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._made: dict[str, np.random.Generator] = {}

    def __getitem__(self, name: str) -> np.random.Generator:
        if name not in self._made:
            sequence = np.random.SeedSequence(self._seed, spawn_key=(zlib.crc32(name.encode()),))
            self._made[name] = np.random.Generator(np.random.PCG64(sequence))
        return self._made[name]
