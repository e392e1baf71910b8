"""What a process holds after 1,000 small updates that it followed: part of `make crash-test`.

Fails where it is more than a tenth above what it was after the first 100: then something is kept. Freed memory is
handed back first, and malloc is to have one arena (MALLOC_ARENA_MAX=1): tantivy's threads come and go, and what glibc
keeps for each of their arenas makes the figure wobble by a tenth without a trend.
"""

from __future__ import annotations

import ctypes
import sys
import tempfile
from pathlib import Path

from tests.crash.matrix import IN_MEMORY
from tests.standins import HashingEncoder, opened, update_with, write_files

_N_UPDATES = 1000


def main() -> int:
    """Edit, update and refresh; return 1 if memory grew."""
    first = now = 0.0
    with tempfile.TemporaryDirectory(dir=IN_MEMORY, prefix="citespan-memory-") as folder:
        root = write_files(Path(folder) / "documents", {f"{n}.txt": f"Text number {n}." for n in range(20)})
        index = Path(folder) / "index"
        update_with(HashingEncoder(), root, index)
        with opened(index) as store:
            for number in range(1, _N_UPDATES + 1):
                write_files(root, {f"{number % 20}.txt": f"The bridge of version {number}. " * (1 + number % 9)})
                update_with(HashingEncoder(), root, index)
                store.refresh()
                store.refresh()  # lets go of the log
                if number % 100 == 0:
                    now = _resident_mb()
                    first = first or now
                    print(f"{number} updates, {now:.0f} MB", end="\r", file=sys.stderr)
    print(f"{first:.0f} MB after 100 updates, {now:.0f} MB after {_N_UPDATES:,}")
    return int(now > 1.1 * first)


def _resident_mb() -> float:
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * 4096 / 2**20


if __name__ == "__main__":
    sys.exit(main())
