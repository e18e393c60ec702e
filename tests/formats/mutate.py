"""Deterministic damage to a file: what bit rot, full disks and ill will do to it.

Run as a program, it reads mutations of one file in this process, under a memory limit and a time limit each:
``python mutate.py FILE COUNT`` prints one line of JSON; exit status 0 = it survived to the end.
"""

import faulthandler
import json
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

HEADER_BYTES = 4096
SECONDS = 5
ADDRESS_SPACE = 2 << 30
PEAK_RSS = 1 << 30
_FIELDS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"\1\0\0\0")
_NUMBERS = (b"-1", b"0", b"99999999999999999999", b"1e308", b"-1e308", b"nan", b"4294967296", b"0.0000001", b"x")


def _flipped(data, rng, where):
    out = bytearray(data)
    for _ in range(rng.choice([1, 3, 20])):
        at = rng.choice(where)
        out[at] ^= 1 << rng.randrange(8)
    return bytes(out)


def flip_header(data, rng):
    return _flipped(data, rng, range(min(len(data), HEADER_BYTES)))


def flip_body(data, rng):
    return _flipped(data, rng, range(len(data)))


def cut(data, rng):
    part = rng.choice([rng.random(), rng.random() * HEADER_BYTES / len(data), 1 - rng.random() * 64 / len(data)])
    return data[: max(int(len(data) * min(max(part, 0), 1)), 0)]


def grow(data, rng):
    extra = rng.choice([1, 512, 100_000])
    return data + rng.choice([bytes(extra), rng.randbytes(extra)])


def digits(data, rng):
    numbers = list(re.finditer(rb"(?<![\w.])-?\d+(?:\.\d+)?", data[:HEADER_BYTES]))
    if not numbers:
        return flip_header(data, rng)
    found = rng.choice(numbers)
    return data[: found.start()] + rng.choice(_NUMBERS) + data[found.end() :]


def field(data, rng):
    at = rng.randrange(max(min(len(data), HEADER_BYTES) - 4, 1))
    if rng.random() < 0.3:  # some formats keep their header at the end
        at = max(len(data) - 4 - at, 0)
    at -= at % rng.choice([1, 2, 4])
    return data[:at] + rng.choice(_FIELDS) + data[at + 4 :]


def field_anywhere(data, rng):
    at = rng.randrange(max(len(data) - 4, 1))
    value = rng.choice([*_FIELDS, struct.pack("<I", at), struct.pack(">I", at)])
    return data[:at] + value + data[at + 4 :]


def shuffle(data, rng):
    start, length = rng.randrange(len(data)), rng.choice([4, 64, 1024])
    other = rng.randrange(len(data))
    return data[:start] + data[other : other + length] + data[start + length :]


KINDS = (flip_header, field, cut, digits, flip_body, grow, field_anywhere, shuffle)


def mutation(data, number):
    """Return the ``number``-th mutation of ``data`` and its kind."""
    kind = KINDS[number % len(KINDS)]
    return kind(data, random.Random(number)), kind.__name__


class _TooSlow(BaseException):
    pass


def _alarm(*_):
    raise _TooSlow


def _check(scans):
    import numpy as np

    assert scans, "no scan"
    for scan in scans:
        for channel in scan.channels.values():
            assert channel.shape == scan.grid.shape
            assert np.isfinite(channel.values).all()


def main(path, count):
    """Read ``count`` mutations of the file; report the first that breaks the law."""
    import afmend
    from afmend.errors import AfmendError

    warnings.simplefilter("error")
    data = path.read_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    signal.signal(signal.SIGALRM, _alarm)
    outcome = {"read": 0, "refused": 0, "failures": []}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / path.name
        for number in range(count):
            damaged, kind = mutation(data, number)
            target.write_bytes(damaged)
            print(f"mutation {number} ({kind})", file=sys.stderr)  # noqa: T201 (tells where it died)
            signal.alarm(SECONDS)
            # A loop inside a C library never sees the signal: this ends the process.
            faulthandler.dump_traceback_later(2 * SECONDS, exit=True)
            try:
                _check(afmend.read_all(target))
                outcome["read"] += 1
            except AfmendError:
                outcome["refused"] += 1
            except _TooSlow:
                outcome["failures"].append(f"mutation {number} ({kind}): slower than {SECONDS} s")
            except Exception:  # noqa: BLE001 (this is what the test looks for)
                outcome["failures"].append(f"mutation {number} ({kind}): {traceback.format_exc(limit=-4)}")
            finally:
                signal.alarm(0)
                faulthandler.cancel_dump_traceback_later()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if peak > PEAK_RSS:
        outcome["failures"].append(f"peak memory {peak >> 20} MB")
    outcome["peak_mb"] = peak >> 20
    print(json.dumps(outcome))  # noqa: T201 (its only output)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
