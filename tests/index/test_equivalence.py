"""Whatever happens to a folder and its index, the index is the one that a full build gives.

python -m tests.index.test_equivalence 1000     # tries as many folders, and prints the counts of docs/reliability.md
"""

import os
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from index.errors import EncoderMismatch
from index.health import Result, examine
from index.ignoring import IGNORE_FILE
from index.store.database import Database
from index.store.embedded import EmbeddedStore
from index.store.faults import POINTS
from index.store.folder import current_database, has_index
from tests.crash.edits import NAMES, carry_out, root_of
from tests.crash.matrix import IN_MEMORY
from tests.crash.writer import ANYWHERE, Order, Round, Writer
from tests.equivalence import differences, seen, seen_in
from tests.standins import ENCODERS, HashingEncoder, update_with, write_files

SENTENCES = st.sampled_from(
    [
        "The bridge opened in 1890.",
        "The tower is of iron, and 300 m high.",
        "King 42 closed the canal.",
        "The same words stand in several files.",
        "A marker of the first half, long and of stone. " * 6,
    ]
)
SECTIONS = st.lists(st.lists(SENTENCES, min_size=1, max_size=3).map(" ".join), min_size=1, max_size=5)
CONTENTS = st.one_of(
    SECTIONS.map(lambda texts: "\n\n".join(f"# Part {number}\n\n{text}" for number, text in enumerate(texts))),
    st.sampled_from(["same words in several files", "<p>A page about a bridge.</p>"]),
    st.sampled_from(["", "\0 binary", "\0 other"]),  # they fail
)
IGNORED = st.lists(st.sampled_from(["*.md", "sub/", "/a.txt", "!sub/f.txt", "other/deep"]), max_size=2).map("\n".join)
FOLDERS = st.sampled_from(["sub", "sub/deep", "other", "other/deep"])
A_FILE = st.integers(0, 99)
"""Which of those that are there."""
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(NAMES), CONTENTS),
        st.tuples(st.just("write"), A_FILE, CONTENTS),
        st.tuples(st.just("delete"), A_FILE),
        st.tuples(st.just("touch"), A_FILE),
        st.tuples(st.just("rename"), A_FILE, st.sampled_from(NAMES)),
        st.tuples(st.just("rename"), FOLDERS, FOLDERS),
        st.tuples(st.just("write"), st.just(IGNORE_FILE), IGNORED),
        st.just(("move",)),
    ),
    max_size=5,
)
KILLS = st.one_of(
    st.tuples(st.just(ANYWHERE), st.integers(1, 20)),
    st.tuples(st.just(ANYWHERE), st.integers(10, 60)),
    st.tuples(st.sampled_from(POINTS), st.integers(1, 2)),
)
COMMANDS = st.sampled_from(["update", "update", "update", "retry failed", "rebuild", "rebuild with another encoder"])
N_LOOKS = st.sampled_from([1, 1, 2, 0])


class Equivalence(RuleBasedStateMachine):
    """A folder, its index, and a reader that has the index open all the time."""

    def __init__(self, writer, counts):
        super().__init__()
        self.writer = writer
        self.counts = counts
        self.base = tempfile.TemporaryDirectory(dir=IN_MEMORY, prefix="citespan-equal-")
        self.home = Path(self.base.name)
        self.index = self.home / "index"
        self.reader = None
        self.now_ns = 10**18

    @initialize(group=st.sampled_from([2, 128]), is_settled=st.booleans())
    def begin(self, group, is_settled):
        """Draw how many passages are encoded together, and whether files are told by their stamps or always read."""
        self.group = group
        self.settled_after_ns = -1 if is_settled else 10**18
        write_files(self.home / "documents", {name: f"The same words, and {name}." for name in NAMES})
        self.counts["folders"] += 1

    def teardown(self):
        if self.reader is not None:
            self.reader.close()
        self.base.cleanup()

    @rule(edits=EDITS, command=COMMANDS, n_looks=N_LOOKS)
    def write(self, edits, command, n_looks):
        self.edit(edits)
        rebuilds, encoder = self.resolved(command)
        with patch.multiple("index.update", _SETTLED_AFTER_NS=self.settled_after_ns, _GROUP=self.group):
            update_with(
                encoder, root_of(self.home), self.index, rebuild=rebuilds, retry_failed=command == "retry failed"
            )
        self.counts[command] += 1
        self.check()
        self.look(n_looks)

    @rule(edits=EDITS, command=COMMANDS, kill=KILLS, n_looks=N_LOOKS)
    def crash(self, edits, command, kill, n_looks):
        self.edit(edits)
        rebuilds, encoder = self.resolved(command)
        order = Order(
            str(self.home),
            [Round([], "rebuild" if rebuilds else "update")],
            point=kill[0],
            nth=kill[1],
            settled_after_ns=self.settled_after_ns,
            group=self.group,
            encoder=encoder.name,
        )
        end = self.writer.live(order)
        assert end.was_killed or end.status == 0
        self.counts["killed" if end.was_killed else "killed too late"] += 1
        if not end.was_killed:
            self.check()
        elif has_index(self.index):
            assert Result.DAMAGED not in {finding.result for finding in self.findings()}
        self.look(n_looks)

    def resolved(self, command):
        """Whether a command rebuilds, and the encoder that it does it with."""
        if command == "rebuild with another encoder":
            (other,) = (encoder for name, encoder in ENCODERS.items() if name != self.encoder.name)
            return True, other
        return command == "rebuild", self.encoder

    def look(self, n_looks):
        """The reader sees to the bit what one sees that opens the index now; a second look lets go of the log."""
        if not (n_looks and has_index(self.index)):
            return
        if self.reader is None:
            self.reader = EmbeddedStore(self.index)
        try:
            for _ in range(n_looks):
                self.reader.refresh()
        except EncoderMismatch:
            assert self.reader.identity.encoder != self.encoder.name
            self.reader.close()
            self.reader = EmbeddedStore(self.index)
        with self.reader.snapshot() as snapshot:
            found = seen_in(snapshot, self.encoder)
        assert differences(found, seen(self.index, self.encoder), to_the_bit=True) == []
        self.counts["looks of a reader that stays open"] += 1

    def edit(self, edits):
        for kind, *names in edits:
            root = root_of(self.home)
            files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
            if names and isinstance(names[0], int):
                names[0] = files[names[0] % len(files)] if files else NAMES[0]
            if kind == "rename" and not can_be_renamed(root, *names):
                continue
            carry_out([kind, *names], self.home)
            self.counts["edits"] += 1
            if kind in ("write", "touch") and (path := root / names[0]).exists():
                # No two edits within one tick of a clock, which no stamp could tell apart.
                self.now_ns += 10**9
                os.utime(path, ns=(self.now_ns, self.now_ns))

    @property
    def encoder(self) -> HashingEncoder:
        """The one that the index was made with."""
        if not has_index(self.index):
            return ENCODERS["hashing"]
        with closing(Database(current_database(self.index))) as database:
            return ENCODERS[database.identity.encoder]

    def check(self):
        """The index is what a full build is, and nothing is wrong with it."""
        full = self.home / "full"
        shutil.rmtree(full, ignore_errors=True)
        update_with(self.encoder, root_of(self.home), full)
        assert differences(seen(self.index, self.encoder), seen(full, self.encoder)) == []
        assert [finding for finding in self.findings() if finding.result is not Result.SOUND] == []

    def findings(self):
        return list(examine(self.index, open_encoder=ENCODERS.__getitem__))


def can_be_renamed(root, name, other):
    """Whether a file, or a folder whose new name is free, can be moved there."""
    if not (root / name).is_dir():
        return not (root / other).is_dir()
    return not (root / other).exists() and not other.startswith(f"{name}/")


def try_folders(n_folders, *, n_steps, **options):
    """Have so many folders go through as many steps; return how often what was done."""
    counts: Counter[str] = Counter()
    chosen = settings(max_examples=n_folders, stateful_step_count=n_steps, deadline=None, **options)
    with Writer() as writer:
        # Any factory will do; its type says that it is a class.
        run_state_machine_as_test(partial(Equivalence, writer, counts), settings=chosen)  # type: ignore[arg-type]
    return counts


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork, and no SIGKILL")
def test_after_anything_the_index_is_the_one_that_a_full_build_gives():
    try_folders(20, n_steps=20, derandomize=True)


if __name__ == "__main__":
    for what, n in try_folders(int(sys.argv[1]), n_steps=40, print_blob=True).items():
        print(f"| {what} | {n:,} |")
