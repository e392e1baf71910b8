"""Kill writers, and tell how often the index was not what it should be: `make crash-test`.

The trials are shared out over the fault points, and a fifth of them is killed after a random time instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.crash.matrix import table, trials


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials and print the table; return 1 if an index was inconsistent."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", default="0", help="the same seed gives the same edits and the same fault points")
    parser.add_argument("--point", help="this fault point alone, to look at what went wrong there")
    chosen = parser.parse_args(arguments)
    results = []
    for result in trials(chosen.trials, seed=chosen.seed, point=chosen.point):
        results.append(result)
        n_bad = sum(bool(one.problems) for one in results)
        end = "\n" if result.problems or len(results) == chosen.trials else "\r"
        print(f"trial {len(results):,} of {chosen.trials:,}, {n_bad} inconsistent", end=end, file=sys.stderr)
        for problem in result.problems:
            print(f"  {result.name}: {problem}", file=sys.stderr)
    print(table(results))
    return int(any(one.problems for one in results))


if __name__ == "__main__":
    sys.exit(main())
