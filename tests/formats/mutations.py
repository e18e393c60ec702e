"""Damage done to files, the same every time: bytes changed, cut out, repeated, appended; numbers replaced by lies."""

import random
import re

LIES = (b"0", b"-1", b"99999999999", b"1e308", b"nan", b"65536", b"1e-320", b"3.5", b"2147483647", b"")
WORDS = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80")


def mutations(data, count, seed="", head=60000):
    """Yield ``count`` damaged copies; most of the damage is done within the first ``head`` bytes."""
    for n in range(count):
        yield mutated(data, random.Random(f"{seed}{n}"), head)


def mutated(data, rng, head):
    damaged = bytearray(data)
    end = max(min(len(data), head), 8) if rng.random() < 0.8 else len(data)
    how = rng.randrange(7)
    at = rng.randrange(end)
    if how == 0:
        for _ in range(rng.choice([1, 2, 5, 30])):
            damaged[rng.randrange(end)] = rng.randrange(256)
    elif how == 1:
        del damaged[rng.randrange(len(data)) :]
    elif how == 2:
        damaged += rng.randbytes(rng.randrange(1, 500))
    elif how == 3:
        del damaged[at : at + rng.randrange(1, 500)]
    elif how == 4:
        damaged[at:at] = damaged[at : at + rng.randrange(1, 200)] * rng.randrange(1, 20)
    elif how == 5:
        numbers = list(re.finditer(rb"\d+", bytes(data[:end])))
        found = rng.choice(numbers)
        damaged[found.start() : found.end()] = rng.choice(LIES).rjust(len(found[0]))
    else:
        damaged[at & ~3 : (at & ~3) + 4] = rng.choice(WORDS)
    return bytes(damaged)
