"""Make the index say what the folder says. Nothing else writes documents.

scan the folder ─▶ plan (add, replace, rename, delete) ─▶ apply, one transaction per document
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np

from index.collection import (
    MAX_FILE_BYTES,
    Failure,
    Scan,
    SourceFile,
    Stamp,
    check_folder,
    is_present,
    printable,
    read_file,
    scan,
)
from index.encoder import Encoder
from index.errors import FileError, FileTooLarge, OtherCollection, StoreError, UnreadableFile
from index.parsing import FORMATS, parse
from index.passages import PassageSettings, cut, encoded_text
from index.records import Document
from index.rollback import Contents, take_over, version_reached
from index.store.database import Action, Database, NewPassage
from index.store.faults import reached
from index.store.folder import (
    current_database,
    has_index,
    new_database,
    note_version,
    remove_leftovers,
    switch_to,
    writing,
)
from index.store.protocol import Identity, Known
from index.store.schema import check_encoder, create_database

_log = logging.getLogger(__name__)

DEFAULT_PASSAGES = PassageSettings()

_GROUP = 128
"""Passages encoded together: enough to sort by length with gain, few enough to show progress by."""

# A file changed within a clock tick of its being read may keep its size and time. Younger files are
# hashed again next time.
_SETTLED_AFTER_NS = 2 * 10**9


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an update is. Bytes are of the files to be read, the best guess at the work there is."""

    n_files_done: int
    n_files: int
    bytes_done: int
    bytes_total: int
    n_encoded: int


@dataclass(frozen=True, slots=True)
class Rename:
    """A file with known content under another name."""

    known: Known
    file: SourceFile


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file whose content could not be used, as it was then, and why."""

    stamp: Stamp
    failure: Failure


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done for the index to say what the folder says.

    Attributes:
        touch: Files whose time has changed and whose content has not.
        n_unchanged: Files that need nothing; those of `touch` are counted in.
        failed_before: Files whose content could not be used and has not changed: they are not read again.
        others: What is not in the collection, and why.
    """

    add: tuple[SourceFile, ...]
    replace: tuple[SourceFile, ...]
    rename: tuple[Rename, ...]
    delete: tuple[Known, ...]
    touch: tuple[SourceFile, ...]
    n_unchanged: int
    failed_before: tuple[FailedFile, ...]
    others: tuple[Failure, ...]

    @property
    def to_encode(self) -> tuple[SourceFile, ...]:
        """The files that are encoded as far as their passages are new; a renamed one has no new ones."""
        return self.add + self.replace


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What a rebuild puts in the place of what.

    Attributes:
        former: The index in use, which is kept for a rollback; None where there is none that can be read.
        encoder: What the new one's is opened by.
        passages: How the new one is cut; into shorter passages where the encoder takes fewer tokens.
    """

    former: Contents | None
    encoder: str
    passages: PassageSettings


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """What an update did.

    Attributes:
        added, replaced, renamed, deleted: Document ids; of a rename the new one.
        others: Every entry of the folder that is not in the index, and why.
        n_encoded: Passages that the encoder was asked for.
        n_reused: Passages whose vectors were there already.
        n_not_retried: Files of `others` that failed before and were not read again, for they have not changed.
        n_documents: In the index now.
    """

    added: tuple[str, ...]
    replaced: tuple[str, ...]
    renamed: tuple[str, ...]
    deleted: tuple[str, ...]
    n_unchanged: int
    others: tuple[Failure, ...]
    n_encoded: int
    n_reused: int
    n_not_retried: int
    n_documents: int
    index_version: int
    took_s: float

    @property
    def failed(self) -> tuple[Failure, ...]:
        """The files that something is wrong with."""
        return tuple(other for other in self.others if not other.is_skipped)

    @property
    def n_changes(self) -> int:
        return len(self.added) + len(self.replaced) + len(self.renamed) + len(self.deleted)


def update(
    root: Path,
    folder: Path,
    *,
    encoder: Encoder,
    encoder_name: str,
    passages: PassageSettings = DEFAULT_PASSAGES,
    rebuild: bool = False,
    retry_failed: bool = False,
    max_file_bytes: int = MAX_FILE_BYTES,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> UpdateReport:
    """Bring the index in `folder` up to the documents below `root`, making it if there is none.

    Each document is committed on its own: an update that is interrupted is continued by the next.

    Args:
        encoder_name: What to open the encoder by, noted in a new index.
        passages: How a new index is to be cut; an index there is keeps its own way.
        rebuild: Make the index anew beside the old one, which answers until it is switched, and is kept then for a
            rollback.
        retry_failed: Read files again whose content could not be used, though they have not changed.
        on_progress: Called at the start, at the end, and whenever some passages are encoded.

    Raises:
        CollectionError: The folder of documents cannot be read; the index stays as it is.
        EncoderMismatch: The index was made by another encoder.
        OtherCollection: The index was made from another folder that still exists.
        StoreError: The index cannot be opened or written.
    """
    started = time.perf_counter()
    check_folder(root)
    with writing(folder):
        reached("scan.before")
        looked_at = datetime.now(UTC)
        found = scan(root, suffixes=FORMATS, excluded=[folder])
        reached("scan.after")
        is_new = rebuild or not has_index(folder)
        path = new_database(folder) if is_new else current_database(folder)
        if is_new:
            create_database(
                path,
                _new_identity(root, encoder, encoder_name, passages),
                index_version=_first_version(folder),
            )
            if not rebuild:
                switch_to(path, previous=None)
        else:
            remove_leftovers(folder)
        database = Database(path)
        try:
            check_encoder(database.identity, name=encoder_name, fingerprint=encoder.fingerprint)
            if is_moved(database.identity.root, root):
                database.set_root(str(root.resolve()))
            failed = {} if retry_failed else _failed_before(database)
            plan = make_plan(found, database.known(), failed=failed, max_file_bytes=max_file_bytes)
            reached("plan.after")
            run = _Run(database, encoder, root, plan, max_file_bytes, on_progress)
            run.apply()
            database.note_reconciled(looked_at)
            version, n_documents = database.index_version, database.counts().n_documents
            reached("close.before")
        finally:
            database.close()
        reached("close.after")
        note_version(path, version)
        reached("note.after")
        if rebuild:
            take_over(path)
    report = run.report(version, n_documents, time.perf_counter() - started)
    _log.info("update: %d changes, %d failed, version %d", report.n_changes, len(report.failed), version)
    return report


def preview(
    root: Path,
    folder: Path,
    *,
    rebuild: bool = False,
    retry_failed: bool = False,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> Plan:
    """Return what an update would have to do, and do nothing of it.

    Args:
        rebuild, retry_failed, max_file_bytes: As in `update`.

    Raises:
        CollectionError, OtherCollection, StoreError: As `update`.
    """
    found = scan(root, suffixes=FORMATS, excluded=[folder])
    if rebuild or not has_index(folder):
        return make_plan(found, [], max_file_bytes=max_file_bytes)
    with closing(Database(current_database(folder))) as database:
        is_moved(database.identity.root, root)
        failed = {} if retry_failed else _failed_before(database)
        return make_plan(found, database.known(), failed=failed, max_file_bytes=max_file_bytes)


def preview_rebuild(folder: Path, *, encoder_name: str, passages: PassageSettings = DEFAULT_PASSAGES) -> Rebuild:
    """Return what a rebuild with these settings would put in the place of what."""
    try:
        with closing(Database(current_database(folder))) as database:
            return Rebuild(Contents.of(database), encoder_name, passages)
    except StoreError:  # it is what a rebuild is for
        return Rebuild(None, encoder_name, passages)


def make_plan(
    found: Scan,
    known: Iterable[Known],
    *,
    failed: Mapping[str, FailedFile] = MappingProxyType({}),
    max_file_bytes: int = MAX_FILE_BYTES,
) -> Plan:
    """Return what is to be done. A file is read only where size or time leave its content in doubt.

    Args:
        failed: Files that need not be read again as long as they are what they were, by path.
    """
    missing = {item.doc_id: item for item in known}
    add: list[SourceFile] = []
    changed: list[SourceFile] = []
    touch: list[SourceFile] = []
    failed_before: list[FailedFile] = []
    n_unchanged = 0
    for file in found.files:
        item = missing.pop(file.doc_id, None)
        then = failed.get(printable(file.doc_id)) if failed else None
        if item is None and then is not None and then.stamp == file.stamp:
            failed_before.append(then)
        elif item is None:
            add.append(file)
        elif item.stamp == file.stamp:
            n_unchanged += 1
        elif _content_sha256(file, max_file_bytes) == item.sha256:
            touch.append(file)
            n_unchanged += 1
        else:
            changed.append(file)
    rename: list[Rename] = []
    vanished_by_content = {item.sha256: item for item in missing.values()}
    if vanished_by_content:
        for file in add:
            gone = vanished_by_content.pop(_content_sha256(file, max_file_bytes), None)
            if gone is not None:
                del missing[gone.doc_id]
                rename.append(Rename(gone, file))
    renamed = {entry.file.doc_id for entry in rename}
    return Plan(
        add=tuple(file for file in add if file.doc_id not in renamed),
        replace=tuple(changed),
        rename=tuple(rename),
        delete=tuple(missing.values()),
        touch=tuple(touch),
        n_unchanged=n_unchanged,
        failed_before=tuple(failed_before),
        others=found.others,
    )


def _content_sha256(file: SourceFile, max_file_bytes: int) -> str:
    """Return the fingerprint of a file's content, "" where it cannot be read: it is then like no other."""
    try:
        return read_file(file, max_bytes=max_file_bytes).sha256
    except FileError:
        return ""


def _new_identity(root: Path, encoder: Encoder, encoder_name: str, passages: PassageSettings) -> Identity:
    return Identity(
        encoder=encoder_name,
        fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        passages=replace(passages, max_tokens=min(passages.max_tokens, encoder.max_tokens)),
        root=str(root.resolve()),
    )


def _first_version(folder: Path) -> int:
    """Return the version of an empty index: one that none of the folder has had."""
    former = version_reached(folder)
    return former + 1 if former else 0


def _failed_before(database: Database) -> dict[str, FailedFile]:
    stamps = database.failed_stamps()
    return {
        failure.path: FailedFile(stamps[failure.path], failure)
        for failure in database.failures()
        if failure.path in stamps
    }


def is_moved(former_root: str, root: Path) -> bool:
    """Return whether the folder of an index was moved since the index was made.

    Args:
        former_root: As the index has it.
        root: Where the folder is now.

    Raises:
        OtherCollection: It is another one, for the one that the index belongs to still exists.
    """
    former, now = Path(former_root), root.resolve()
    if former == now:
        return False
    if former.is_dir():
        raise OtherCollection(
            f"this index was made from {former}, not from {now}: name another folder for the index with --index "
            "(INDEX= of make), or make this one anew with `citespan index --rebuild` and the same --documents"
        )
    return True


@dataclass(frozen=True, slots=True)
class _Job:
    """A file to be read and stored in the place of what was there."""

    action: Action
    file: SourceFile
    former_id: str


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A document that is cut, with what is to be encoded, and the vectors that are known already by its digests.

    Attributes:
        stamp: Of the file, taken for settled or not when it was read.
    """

    job: _Job
    stamp: Stamp | None
    document: Document
    passages: tuple[NewPassage, ...]
    texts: tuple[str, ...]
    known_vectors: dict[bytes, bytes]


@dataclass(slots=True)
class _Run:
    """The carrying out of one plan."""

    database: Database
    encoder: Encoder
    root: Path
    plan: Plan
    max_file_bytes: int
    on_progress: Callable[[Progress], None]
    done: dict[str, list[str]] = field(default_factory=lambda: {"add": [], "replace": [], "rename": [], "delete": []})
    failures: list[Failure] = field(default_factory=list)
    failed_stamps: dict[str, Stamp] = field(default_factory=dict)
    n_files: int = 0
    n_files_done: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    n_encoded: int = 0
    n_reused: int = 0

    def apply(self) -> None:
        """Carry out the plan; deletions first, so that nothing that is gone answers any longer."""
        for item in self.plan.delete:
            # An editor that saves by renaming leaves a moment without the file.
            if not is_present(self.root, item.doc_id) or self._is_left_out(item.doc_id):
                self.database.delete(item.doc_id)
                self.done["delete"].append(item.doc_id)
        for file in self.plan.touch:
            self.database.touch(file.doc_id, _settled(file))
        jobs = self._jobs()
        self.n_files, self.bytes_total = len(jobs), sum(job.file.stamp.size for job in jobs)
        self._report_progress()
        for group in self._groups(self._prepared(jobs)):
            self._store(group)
        remembered = {item.failure.path: item.stamp for item in self.plan.failed_before}
        self.database.set_failures(self.others, stamps=remembered | self.failed_stamps)
        self.database.forget_pending()
        self._report_progress()

    @property
    def others(self) -> tuple[Failure, ...]:
        """What is not in the index so far, by path."""
        before = [item.failure for item in self.plan.failed_before]
        return tuple(sorted([*self.plan.others, *before, *self.failures], key=lambda failure: failure.path))

    def report(self, index_version: int, n_documents: int, took_s: float) -> UpdateReport:
        return UpdateReport(
            added=tuple(sorted(self.done["add"])),
            replaced=tuple(sorted(self.done["replace"])),
            renamed=tuple(sorted(self.done["rename"])),
            deleted=tuple(sorted(self.done["delete"])),
            n_unchanged=self.plan.n_unchanged,
            others=self.others,
            n_encoded=self.n_encoded,
            n_reused=self.n_reused,
            n_not_retried=len(self.plan.failed_before),
            n_documents=n_documents,
            index_version=index_version,
            took_s=took_s,
        )

    def _is_left_out(self, doc_id: str) -> bool:
        """Return whether a path is there and yet not of the collection."""
        path = printable(doc_id)
        return any(path == other.path or path.startswith(other.path + "/") for other in self.plan.others)

    def _jobs(self) -> list[_Job]:
        renames = [_Job("rename", rename.file, rename.known.doc_id) for rename in self.plan.rename]
        replacements = [_Job("replace", file, file.doc_id) for file in self.plan.replace]
        additions = [_Job("add", file, file.doc_id) for file in self.plan.add]
        # Small ones first: most of a folder can be asked while its largest file is still read.
        return sorted([*renames, *replacements, *additions], key=lambda job: (job.file.stamp.size, job.file.doc_id))

    def _prepared(self, jobs: Sequence[_Job]) -> Iterator[_Prepared]:
        for job in jobs:
            stamp = _settled(job.file)
            try:
                yield self._prepare(job, stamp)
            except FileError as error:
                _log.info("%s: %s", job.file.doc_id, error)
                # Whether it can be read does not depend on its content: permissions, the disk, the limit.
                if stamp is not None and not isinstance(error, (UnreadableFile, FileTooLarge)):
                    self.failed_stamps[printable(job.file.doc_id)] = stamp
                self.failures.append(Failure.of(printable(job.file.doc_id), error))
                if job.action != "add":
                    # What the file said before, it does not say now.
                    self.database.delete(job.former_id)
                    self.done["delete"].append(job.former_id)
                self._count_done(job)

    def _prepare(self, job: _Job, stamp: Stamp | None) -> _Prepared:
        read = read_file(job.file, max_bytes=self.max_file_bytes)
        reached("document.read")
        document = parse(read.content, doc_id=job.file.doc_id, sha256=read.sha256)
        settings = self.database.identity.passages
        cuts = cut(document, self.encoder.token_spans, settings)
        texts = tuple(encoded_text(document, piece, self.encoder.token_spans, settings) for piece in cuts)
        passages = tuple(
            NewPassage(piece, hashlib.sha256(text.encode()).digest()) for piece, text in zip(cuts, texts, strict=True)
        )
        known = self.database.stored_vectors({passage.text_sha256 for passage in passages})
        return _Prepared(job, stamp, document, passages, texts, known)

    def _groups(self, prepared: Iterable[_Prepared]) -> Iterator[list[_Prepared]]:
        group: list[_Prepared] = []
        n_pending = 0
        for item in prepared:
            group.append(item)
            n_pending += len(item.passages) - len(item.known_vectors)
            if n_pending >= _GROUP:
                yield group
                group, n_pending = [], 0
        if group:
            yield group

    def _store(self, group: Sequence[_Prepared]) -> None:
        vectors = self._vectors(group)
        for item in group:
            self.database.replace(
                item.job.action,
                item.document,
                stamp=item.stamp,
                passages=item.passages,
                vectors=[vectors[passage.text_sha256] for passage in item.passages],
                former_id=item.job.former_id,
            )
            self.done[item.job.action].append(item.document.doc_id)
            self._count_done(item.job)

    def _vectors(self, group: Sequence[_Prepared]) -> dict[bytes, bytes]:
        """Return the vectors of a group's texts by their digests; what is not known is encoded, once."""
        vectors: dict[bytes, bytes] = {}
        wanted: dict[bytes, str] = {}
        for item in group:
            vectors.update(item.known_vectors)
            for passage, text in zip(item.passages, item.texts, strict=True):
                if passage.text_sha256 not in item.known_vectors:
                    wanted[passage.text_sha256] = text
        digests = sorted(wanted.keys() - vectors.keys(), key=lambda digest: (len(wanted[digest]), digest))
        for start in range(0, len(digests), _GROUP):
            some = digests[start : start + _GROUP]
            reached("encode.before")
            rows = self.encoder.encode_passages([wanted[digest] for digest in some]).astype("<f4")
            reached("encode.after")
            encoded = dict(zip(some, (np.ascontiguousarray(row).tobytes() for row in rows), strict=True))
            if len(digests) > _GROUP:
                self.database.keep_pending(encoded)
            vectors.update(encoded)
            self.n_encoded += len(some)
            self._report_progress()
        self.n_reused += sum(len(item.passages) for item in group) - len(digests)
        return vectors

    def _count_done(self, job: _Job) -> None:
        self.n_files_done += 1
        self.bytes_done += job.file.stamp.size

    def _report_progress(self) -> None:
        self.on_progress(Progress(self.n_files_done, self.n_files, self.bytes_done, self.bytes_total, self.n_encoded))


def _settled(file: SourceFile) -> Stamp | None:
    """Return the stamp to remember a file by; None where the file may yet change within its tick."""
    return file.stamp if file.stamp.age_ns > _SETTLED_AFTER_NS else None
