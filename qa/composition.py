"""From settings to finished objects."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from index.encoder import EMBEDDED, Encoder, open_encoder
from index.errors import StoreError
from index.store.database import Database
from index.store.embedded import EmbeddedStore
from index.store.folder import current_database, has_index
from index.store.schema import check_encoder
from index.update import Progress, UpdateReport, update
from qa.engine import Engine, Source
from qa.reader import Reader
from qa.readers import open_reader
from qa.requests import check_thresholds
from qa.settings import Settings


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
    settings: Settings, *, rebuild: bool = False, on_progress: Callable[[Progress], None] = lambda _: None
) -> UpdateReport:
    """Bring the index up to the folder, making it if there is none.

    Raises:
        CitespanError: As `index.update.update`, and what the encoder raises.
    """
    name = choose_encoder_name(settings, rebuild=rebuild)
    return update(
        settings.documents,
        settings.index,
        encoder=open_encoder(name, offline=not settings.hub),
        encoder_name=name,
        rebuild=rebuild,
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


def open_engine(settings: Settings, reader: Reader | None = None) -> Engine:
    """Open the index there is, with the models to search and read it.

    Args:
        reader: One that is open already.

    Raises:
        NoIndex: There is none.
        CitespanError: It, or its encoder, cannot be used.
    """
    store = EmbeddedStore(settings.index)
    try:
        return Engine(
            store,
            _encoder_of(store, settings),
            reader or open_settled_reader(settings),
            source=Source(settings.documents, settings.index, store.identity.encoder, settings.max_file_bytes),
            min_confidence=settings.min_confidence,
            max_risk=settings.max_risk,
        )
    except BaseException:
        store.close()
        raise


def _encoder_of(store: EmbeddedStore, settings: Settings) -> Encoder:
    name = settings.encoder or store.identity.encoder
    encoder = open_encoder(name, offline=not settings.hub)
    check_encoder(store.identity, name=name, fingerprint=encoder.fingerprint)
    return encoder
