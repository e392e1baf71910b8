"""A process that changes documents and their index: a line in is an order, a line out tells that it is done.

python -m tests.processes.writer DOCUMENTS INDEX
"""

from __future__ import annotations

import random
import signal
import sys
from itertools import count
from pathlib import Path

from benchmarks.load import write_document
from index.store import faults
from tests.standins import HashingEncoder, update_with

N_DOCUMENTS = 12
_EDITS = 5
"""Of an order; the index is updated after each."""


def main(documents: Path, index: Path) -> None:
    """Carry out orders until there are no more: `edit`, `rebuild`, and `hang`, which ends only with the process."""
    chance, version = random.Random(20261124), count(1)

    def edit() -> None:
        number = chance.randrange(N_DOCUMENTS)
        write_document(documents, number, next(version))
        if chance.random() < 0.2:
            (documents / f"marker-{number}.md").unlink()

    for order in map(str.strip, sys.stdin):
        if order == "hang":
            for number in range(N_DOCUMENTS):
                write_document(documents, number, next(version))
            faults.arm(_hang)
        for _ in range(_EDITS):
            edit()
            report = update_with(HashingEncoder(), documents, index, rebuild=order == "rebuild")
        print(report.index_version, flush=True)


def _hang(reached: str) -> None:
    if reached == "replace.after_commit":
        print("hanging", flush=True)
        signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
