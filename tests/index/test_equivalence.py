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
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

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
EDITS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), CONTENTS),
    st.tuples(st.just("write"), st.sampled_from(NAMES), CONTENTS),
    st.tuples(st.just("write"), st.just(IGNORE_FILE), IGNORED),
    st.tuples(st.just("delete"), st.sampled_from(NAMES)),
    st.tuples(st.just("touch"), st.sampled_from(NAMES)),
    st.tuples(st.just("rename"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.tuples(st.just("rename"), FOLDERS, FOLDERS),
    st.just(("move",)),
)
KILLS = st.one_of(
    st.tuples(st.just(ANYWHERE), st.integers(1, 20)),
    st.tuples(st.just(ANYWHERE), st.integers(10, 60)),
    st.tuples(st.sampled_from(POINTS), st.integers(1, 2)),
)
ENCODER_NAMES = st.sampled_from(sorted(ENCODERS))


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
        write_files(self.home / "documents", {"a.txt": "same words in several files"})
        self.counts["folders"] += 1

    def teardown(self):
        if self.reader is not None:
            self.reader.close()
        self.base.cleanup()

    @rule(edits=st.lists(EDITS, min_size=1, max_size=4))
    def edit(self, edits):
        for edit in edits:
            if edit[0] == "rename" and not can_be_renamed(root_of(self.home), *edit[1:]):
                continue
            carry_out(list(edit), self.home)
            self.counts["edits"] += 1
            if edit[0] in ("write", "touch") and (path := root_of(self.home) / edit[1]).exists():
                # No two edits within one tick of a clock, which no stamp could tell apart.
                self.now_ns += 10**9
                os.utime(path, ns=(self.now_ns, self.now_ns))

    @rule(retry_failed=st.booleans())
    def update(self, retry_failed):
        self.write(self.encoder, retry_failed=retry_failed)
        self.check()
        self.counts["updates"] += 1

    @rule(name=ENCODER_NAMES)
    def rebuild(self, name):
        is_other = has_index(self.index) and name != self.encoder.name
        self.write(ENCODERS[name], rebuild=True)
        self.check()
        self.counts["rebuilds with another encoder" if is_other else "rebuilds with the same encoder"] += 1

    @precondition(lambda self: has_index(self.index))
    @rule()
    def another_encoder_is_refused(self):
        (other,) = (encoder for name, encoder in ENCODERS.items() if name != self.encoder.name)
        with pytest.raises(EncoderMismatch):
            self.write(other)

    @rule(kill=KILLS, command=st.sampled_from(["update", "rebuild"]), name=ENCODER_NAMES)
    def crash(self, kill, command, name):
        point, nth = kill
        if command == "update" and has_index(self.index):
            name = self.encoder.name
        order = Order(
            str(self.home),
            [Round([], command)],
            point=point,
            nth=nth,
            settled_after_ns=self.settled_after_ns,
            group=self.group,
            encoder=name,
        )
        end = self.writer.live(order)
        assert end.was_killed or end.status == 0
        if not end.was_killed:  # it never came there
            self.check()
            self.counts["updates by another process"] += 1
            return
        self.counts["kills"] += 1
        if has_index(self.index):
            assert Result.DAMAGED not in {finding.result for finding in self.findings()}

    @precondition(lambda self: has_index(self.index))
    @rule(n_times=st.integers(1, 2))
    def refresh(self, n_times):
        """The reader sees to the bit what one sees that opens the index now; a second time lets go of the log."""
        if self.reader is None:
            self.reader = EmbeddedStore(self.index)
        try:
            for _ in range(n_times):
                self.reader.refresh()
        except EncoderMismatch:
            assert self.reader.identity.encoder != self.encoder.name
            self.reader.close()
            self.reader = EmbeddedStore(self.index)
        with self.reader.snapshot() as snapshot:
            found = seen_in(snapshot, self.encoder)
        assert differences(found, seen(self.index, self.encoder), to_the_bit=True) == []
        self.counts["looks of a reader that stays open"] += 1

    @property
    def encoder(self) -> HashingEncoder:
        """The one that the index was made with."""
        if not has_index(self.index):
            return ENCODERS["hashing"]
        with closing(Database(current_database(self.index))) as database:
            return ENCODERS[database.identity.encoder]

    def write(self, encoder, **options):
        with patch.multiple("index.update", _SETTLED_AFTER_NS=self.settled_after_ns, _GROUP=self.group):
            update_with(encoder, root_of(self.home), self.index, **options)

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
    try_folders(25, n_steps=20, derandomize=True)


if __name__ == "__main__":
    for what, n in try_folders(int(sys.argv[1]), n_steps=40, print_blob=True).items():
        print(f"| {what} | {n:,} |")
