"""Everything that can be checked of an index, and what was found. Nothing is written, but by `repair`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from index.collection import MAX_FILE_BYTES, SourceFile, Stamp, read_file
from index.encoder import Encoder
from index.errors import CitespanError, DamagedIndex, FileError
from index.parsing import parse
from index.passages import Cut, encoded_text
from index.records import Filter, Passage
from index.rollback import find_previous
from index.store.connection import Connection
from index.store.database import Database
from index.store.embedded import EmbeddedStore
from index.store.folder import clear, current_database, leftovers, note_version, writing
from index.store.protocol import Identity
from index.store.schema import check_encoder
from index.store.verification import Amiss, documents_amiss, failures_amiss, state_amiss, structure_amiss
from index.store.words import content_words
from index.wording import counted

REMEDY = "make it anew with `citespan index --rebuild`, or bring back a backup with `citespan restore`"

_MAX_OFF_UNIT = 1e-3
_MIN_COSINE = 0.999
"""Of a vector and the same passage's encoded again: precisions differ by less, texts by more."""
_SELF_RETRIEVED = 50
_NAMED = 3
"""Things that are wrong, before the rest is only counted."""


class Result(StrEnum):
    """How a check ended."""

    SOUND = "sound"
    LEFTOVER = "leftover"  # what can go, or be made again from the rest
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; a message of damage names the remedy."""

    check: str
    result: Result
    message: str


def examine(
    folder: Path,
    *,
    open_encoder: Callable[[str], Encoder],
    find_root: Callable[[Identity], Path] = lambda identity: Path(identity.root),
    n_encoded: int = 0,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> Iterator[Finding]:
    """Yield a finding for each check of an index, which may be in use.

    Args:
        open_encoder: The name that the index gives its encoder to the one that is installed.
        find_root: What the index says of itself to the folder of its documents.
        n_encoded: So many passages are encoded again and compared.

    Raises:
        NoIndex: There is none.
    """
    try:
        path = current_database(folder)
    except DamagedIndex as error:
        yield Finding("pointer", Result.DAMAGED, str(error))
        return
    yield Finding("pointer", Result.SOUND, f"names {path.name}")
    try:
        database = Database(path)
    except CitespanError as error:
        yield Finding("database", Result.DAMAGED, str(error))
    else:
        with closing(database):
            database.pin()
            yield from _of_database(database, find_root, open_encoder, n_encoded, max_file_bytes)
        yield _guarded("derived indexes", lambda: _derived(folder))
    yield _guarded("previous", lambda: _previous(folder))
    yield _leftover(folder, path)


def repair(folder: Path) -> tuple[str, ...]:
    """Remove what was left over, and note the version anew; return what was done. The truth is never touched.

    Raises:
        IndexBusy: Somebody is writing, so that what looks left over may be in use.
        StoreError: The index cannot be used or written.
    """
    with writing(folder), writing(folder, lock_name="feedback.lock"):
        path = current_database(folder)
        done = [f"removed {removed.name}" for removed in clear(folder)]
        with suppress(CitespanError), closing(Database(path)) as database:  # what is wrong with it is a finding
            if database.noted < database.index_version:
                note_version(path, database.index_version)
                done.append("noted the version")
    return tuple(done)


def _of_database(
    database: Database,
    find_root: Callable[[Identity], Path],
    open_encoder: Callable[[str], Encoder],
    n_encoded: int,
    max_file_bytes: int,
) -> Iterator[Finding]:
    identity = database.identity
    yield Finding("database", Result.SOUND, f"version {database.index_version}, its settings as they were written")
    for check, look in _LOOKS:
        yield _guarded(check, partial(_look, database, check, look))
    yield _guarded("version", lambda: _version(database))
    yield _guarded("spans", lambda: _spans(database))
    yield _guarded("files", lambda: _files(database, find_root(identity), max_file_bytes))
    yield _guarded("vectors", lambda: _vectors(database))
    try:
        encoder = open_encoder(identity.encoder)
        check_encoder(identity, name="the installed one", fingerprint=encoder.fingerprint)
    except CitespanError as error:
        yield Finding("encoder", Result.DAMAGED, str(error))
        return
    yield Finding("encoder", Result.SOUND, f"{identity.encoder} is the one that is installed")
    if n_encoded:
        yield _guarded("encoding", lambda: _encoding(database, encoder, n_encoded))


_LOOKS: tuple[tuple[str, Callable[[Connection], Iterator[Amiss]]], ...] = (
    ("structure", structure_amiss),
    ("digests", documents_amiss),
    ("failures", failures_amiss),
    ("completeness", state_amiss),
)


def _look(database: Database, check: str, look: Callable[[Connection], Iterator[Amiss]]) -> Finding:
    return _verdict(check, database.amiss(look), "as it was written")


def _guarded(check: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except CitespanError as error:
        return Finding(check, Result.DAMAGED, str(error))
    except (TypeError, ValueError, AttributeError) as error:  # a cell of another type than its column
        return Finding(check, Result.DAMAGED, f"cannot be looked at ({error}): {REMEDY}")


def _verdict(check: str, amiss: Sequence[object], sound: str) -> Finding:
    if not amiss:
        return Finding(check, Result.SOUND, sound)
    more = f", and {len(amiss) - _NAMED} more" if len(amiss) > _NAMED else ""
    return Finding(check, Result.DAMAGED, f"{'; '.join(map(str, amiss[:_NAMED]))}{more}: {REMEDY}")


def _version(database: Database) -> Finding:
    found, noted = database.index_version, database.noted
    if noted > found:
        lost = Amiss("", f"it is at version {found}, and was at {noted}: its write-ahead log was lost")
        return _verdict("version", [lost], "")
    if noted < found:
        return Finding("version", Result.LEFTOVER, f"version {found} is not noted yet, {noted} is")
    return Finding("version", Result.SOUND, f"at version {found}, as was noted")


def _spans(database: Database) -> Finding:
    amiss: list[Amiss] = []
    n_passages = 0
    seen = set()
    with closing(database.passages_between(1, database.last_passage_id())) as passages:
        for doc_id, group in groupby(passages, key=lambda passage: passage.doc_id):
            seen.add(doc_id)
            own = list(group)
            n_passages += len(own)
            if found := misplaced(database.document(doc_id).text, own):
                amiss.append(Amiss(doc_id, found))
    amiss += [Amiss(known.doc_id, "no passages") for known in database.known() if known.doc_id not in seen]
    return _verdict("spans", amiss, f"{counted(n_passages, 'passage')} in order, and every character is in one")


def misplaced(text: str, passages: Iterable[Passage]) -> str:
    """Return what is wrong with the places of a document's passages; "" for nothing."""
    start, end = -1, 0
    for passage in passages:
        span = passage.span
        # It may end where the one before ends: what overlaps is whole sentences, and the next one may not fit.
        if span.start <= start or span.end < end:
            return f"passages out of order at character {span.start}"
        if text[end : span.start].strip():
            return f"characters {end} to {span.start} are in no passage"
        start, end = span.start, span.end
    return f"characters from {end} on are in no passage" if text[end:].strip() else ""


def _files(database: Database, root: Path, max_file_bytes: int) -> Finding:
    """Compare what is stored with the files that have not changed since they were read."""
    amiss: list[Amiss] = []
    n_same = n_other = 0
    for known in database.known():
        path = root / known.doc_id
        try:
            status = path.stat()
            stamp = Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            read = read_file(SourceFile(known.doc_id, root, stamp), max_bytes=max_file_bytes)
            if read.sha256 != known.sha256:
                n_other += 1
                if stamp == known.stamp:
                    amiss.append(Amiss(known.doc_id, "the file has other bytes, and not another time: touch it"))
                continue
            parsed = parse(read.content, doc_id=known.doc_id, sha256=read.sha256)
        except (OSError, FileError):
            n_other += 1
            continue
        n_same += 1
        if parsed != database.document(known.doc_id):
            amiss.append(Amiss(known.doc_id, "its text is not what its file is read as"))
    later = f"; {n_other:,} changed or gone since, or unreadable" if n_other else ""
    return _verdict("files", amiss, f"the text of {counted(n_same, 'document')} is what the files say{later}")


def _vectors(database: Database) -> Finding:
    ids, vectors = database.vectors_between(1, database.last_passage_id())
    n_passages = database.counts().n_passages
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    # A NaN is not near anything.
    off = ids[~(np.abs(lengths - 1) <= _MAX_OFF_UNIT)]
    amiss = [Amiss("", f"passage {passage_id} has a vector of no unit length") for passage_id in off]
    if len(ids) != n_passages:
        amiss.append(Amiss("", f"{counted(len(ids), 'vector')} for {counted(n_passages, 'passage')}"))
    return _verdict("vectors", amiss, f"{len(ids):,} of dimension {vectors.shape[1]}, finite, of length 1")


def _encoding(database: Database, encoder: Encoder, n_encoded: int) -> Finding:
    settings = database.identity.passages
    ids, vectors = database.vectors_between(1, database.last_passage_id())
    chosen = _spread(len(ids), n_encoded)
    passages = database.passages([int(ids[at]) for at in chosen])
    texts = []
    for at in chosen:
        passage = passages[int(ids[at])]
        piece = Cut(passage.span, passage.heading)
        texts.append(encoded_text(database.document(passage.doc_id), piece, encoder.token_spans, settings))
    cosines = (encoder.encode_passages(texts) * vectors[chosen]).sum(axis=1)
    amiss = [
        Amiss(passages[int(ids[at])].doc_id, f"passage {ids[at]} is encoded otherwise now (cosine {cosine:.4f})")
        for at, cosine in zip(chosen, cosines, strict=True)
        if not cosine >= _MIN_COSINE
    ]
    least = f", the least cosine {cosines.min():.5f}" if len(chosen) else ""
    return _verdict("encoding", amiss, f"{counted(len(chosen), 'passage')} encoded again{least}")


def _derived(folder: Path) -> Finding:
    """Derive both indexes and look for some passages by their own vectors and words."""
    amiss: list[Amiss] = []
    with closing(EmbeddedStore(folder)) as store, store.snapshot() as snapshot:
        n_passages = snapshot.counts().n_passages
        with closing(Database(current_database(folder))) as database:
            ids, vectors = database.vectors_between(1, database.last_passage_id())
        chosen = _spread(len(ids), _SELF_RETRIEVED)
        passages = snapshot.passages([int(ids[at]) for at in chosen])
        for at in chosen:
            passage = passages.get(int(ids[at]))
            if passage is None:
                continue  # replaced just now
            found = snapshot.dense(vectors[at], 1, Filter())
            nearest = bool(found) and found[0].score >= 1 - _MAX_OFF_UNIT  # of equal passages another may be first
            by_words = snapshot.lexical(passage.text, n_passages, Filter(paths=(passage.doc_id,)))
            has_words = bool(content_words(passage.text))
            if not nearest or (has_words and passage.passage_id not in {entry.passage_id for entry in by_words}):
                amiss.append(Amiss(passage.doc_id, f"passage {passage.passage_id} is not found by itself"))
    in_both = f"{counted(n_passages, 'passage')} in both"
    return _verdict("derived indexes", amiss, f"{in_both}; {len(chosen):,} found by themselves")


def _spread(n: int, wanted: int) -> list[int]:
    """Return some of the numbers below n, evenly spread."""
    return sorted({int(at) for at in np.linspace(0, n - 1, min(n, wanted))}) if n else []


def _previous(folder: Path) -> Finding:
    """Look at the index that is kept for a rollback; one that is damaged disturbs no answer."""
    previous = find_previous(folder, is_checked=True)
    if previous is None:
        return Finding("previous", Result.SOUND, "none is kept for a rollback")
    if previous.contents is None:
        return Finding("previous", Result.LEFTOVER, f"no rollback: {previous.problem}; `citespan prune` removes it")
    version, encoder = previous.contents.state.index_version, previous.contents.identity.encoder
    told = f"version {version} by {encoder}, {previous.n_bytes:,} bytes: `citespan rollback` goes back to it"
    return Finding("previous", Result.SOUND, told)


def _leftover(folder: Path, database: Path) -> Finding:
    found = leftovers(folder)
    if not found:
        return Finding("leftovers", Result.SOUND, f"nothing but {database.name}, the previous one and what is theirs")
    names = ", ".join(path.name for path in found)
    return Finding("leftovers", Result.LEFTOVER, f"{names}, unless a rebuild is under way: `citespan doctor --repair`")
