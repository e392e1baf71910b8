"""From settings to finished objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from index.encoder import EMBEDDED, Encoder, open_encoder
from index.errors import CitespanError, StoreError
from index.health import Finding, Result, examine
from index.store.database import Database
from index.store.embedded import EmbeddedStore
from index.store.folder import current_database, has_index
from index.store.protocol import Identity
from index.store.schema import check_encoder
from index.update import Plan, Progress, Rebuild, UpdateReport, is_moved, preview, preview_rebuild, update
from qa.engine import Engine, Source
from qa.feedback_export import Export, export
from qa.feedback_store import FeedbackStore
from qa.reader import Reader
from qa.readers import open_reader
from qa.requests import check_thresholds
from qa.settings import DEFAULT_DOCUMENTS, Settings


def choose_encoder_name(settings: Settings, *, rebuild: bool = False) -> str:
    """Return the encoder that was asked for, else the one of the index there is, else the embedded one.

    Raises:
        StoreError: The index there is cannot be read. A rebuild does without it.
    """
    if settings.encoder is not None:
        return settings.encoder
    if not has_index(settings.index):
        return EMBEDDED
    try:
        with closing(Database(current_database(settings.index))) as database:
            return database.identity.encoder
    except StoreError:
        if rebuild:
            return EMBEDDED
        raise


def update_index(
    settings: Settings,
    *,
    rebuild: bool = False,
    retry_failed: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> UpdateReport:
    """Bring the index up to the folder, making it if there is none.

    Raises:
        CitespanError: As `index.update.update`, and what the encoder raises.
    """
    name = choose_encoder_name(settings, rebuild=rebuild)
    encoder = open_encoder(name, offline=not settings.hub)
    return _update(settings, name, encoder, rebuild=rebuild, retry_failed=retry_failed, on_progress=on_progress)


def preview_index(settings: Settings, *, rebuild: bool = False, retry_failed: bool = False) -> Plan:
    """Return what an update would have to do; no model is loaded for it.

    Raises:
        CitespanError: As `index.update.preview`.
    """
    return preview(
        settings.documents,
        settings.index,
        rebuild=rebuild,
        retry_failed=retry_failed,
        max_file_bytes=settings.max_file_bytes,
    )


def preview_index_rebuild(settings: Settings) -> Rebuild:
    """Return what a rebuild would put in the place of what; no model is loaded for it."""
    return preview_rebuild(settings.index, encoder_name=choose_encoder_name(settings, rebuild=True))


def _update(
    settings: Settings,
    name: str,
    encoder: Encoder,
    *,
    rebuild: bool = False,
    retry_failed: bool = False,
    on_progress: Callable[[Progress], None],
) -> UpdateReport:
    return update(
        settings.documents,
        settings.index,
        encoder=encoder,
        encoder_name=name,
        rebuild=rebuild,
        retry_failed=retry_failed,
        max_file_bytes=settings.max_file_bytes,
        on_progress=on_progress,
    )


def open_settled_reader(settings: Settings) -> Reader:
    """Open the reader that was chosen, and see that it can keep to the threshold that was.

    Raises:
        ReaderError: It cannot be used.
        InvalidParameter: Both thresholds are given, or the reader was never measured to be so seldom wrong.
    """
    check_thresholds(settings.min_confidence, settings.max_risk)
    reader = open_reader(settings.reader, offline=not settings.hub, max_answer_tokens=settings.max_answer_tokens)
    if settings.max_risk is not None:
        reader.calibration.threshold_for(settings.max_risk)
    return reader


def open_engine(settings: Settings) -> Engine:
    """Open the index there is, with the models to search and read it.

    Raises:
        NoIndex: There is none.
        OtherCollection: As `collection_of`.
        CitespanError: It, or its encoder, cannot be used.
    """
    store = EmbeddedStore(settings.index)
    try:
        settings = replace(settings, documents=collection_of(store.identity, settings))
        name = settings.encoder or store.identity.encoder
        encoder = open_encoder(name, offline=not settings.hub)
        check_encoder(store.identity, name=name, fingerprint=encoder.fingerprint)
        return _engine(settings, store, encoder, open_settled_reader(settings))
    except BaseException:
        store.close()
        raise


def collection_of(identity: Identity, settings: Settings) -> Path:
    """Return the folder of an index: its own, unless that has been moved to the one that is set.

    Raises:
        OtherCollection: Another one is set, so that its answers would be about other documents than were asked.
    """
    own = Path(identity.root)
    if settings.documents == DEFAULT_DOCUMENTS and own.is_dir():
        return own
    is_moved(identity.root, settings.documents)
    return settings.documents


def open_updated_engine(settings: Settings, *, on_progress: Callable[[Progress], None]) -> tuple[Engine, UpdateReport]:
    """Bring the index up to the folder and open it, while the models are loaded beside that.

    Raises:
        CitespanError: As `update_index` and `open_engine`.
    """
    name = choose_encoder_name(settings)
    encoder = open_encoder(name, offline=not settings.hub)
    with ThreadPoolExecutor(max_workers=1) as models:
        opening = models.submit(open_settled_reader, settings)
        if not has_index(settings.index):
            opening.result()  # a mistake in the reader's name should not wait for the first index
        # What goes wrong here does so again, and is told, when the engine is warmed up or asked.
        models.submit(encoder.encode_questions, ["?"])
        report = _update(settings, name, encoder, on_progress=on_progress)
        store = EmbeddedStore(settings.index)
        try:
            check_encoder(store.identity, name=name, fingerprint=encoder.fingerprint)
            return _engine(settings, store, encoder, opening.result()), report
        except BaseException:
            store.close()
            raise


def _engine(settings: Settings, store: EmbeddedStore, encoder: Encoder, reader: Reader) -> Engine:
    return Engine(
        store,
        encoder,
        reader,
        source=Source(settings.documents, settings.index, store.identity.encoder, settings.max_file_bytes),
        min_confidence=settings.min_confidence,
        max_risk=settings.max_risk,
        retrieval=settings.retrieval,
        rerank=settings.rerank,
    )


def examine_index(settings: Settings, *, n_encoded: int = 0) -> Iterator[Finding]:
    """Yield a finding for everything that can be checked of the index's folder.

    Args:
        n_encoded: So many passages are encoded again and compared.

    Raises:
        NoIndex: There is no index.
    """
    yield from examine(
        settings.index,
        open_encoder=lambda name: open_encoder(settings.encoder or name, offline=not settings.hub),
        find_root=lambda identity: collection_of(identity, settings),
        n_encoded=n_encoded,
        max_file_bytes=settings.max_file_bytes,
    )
    try:
        n_entries = read_all_feedback(settings.index)
    except CitespanError as error:
        yield Finding("feedback", Result.DAMAGED, str(error))
    else:
        yield Finding("feedback", Result.SOUND, f"{n_entries:,} entries" if n_entries else "there is none")


def read_all_feedback(folder: Path) -> int:
    """Read all feedback of an index's folder; return how many entries there are.

    Raises:
        FeedbackError: It is damaged.
    """
    return FeedbackStore(folder).check()


def export_feedback(settings: Settings) -> Export:
    """Return what people said of answers as questions on the documents there are.

    Raises:
        NothingToExport: They said nothing that can be.
        CitespanError: The index, or what was said, cannot be read.
    """
    entries = FeedbackStore(settings.index).newest()
    with closing(Database(current_database(settings.index))) as database:
        doc_ids = {known.sha256: known.doc_id for known in database.known()}
        return export(entries, document=database.document, doc_ids=doc_ids)
