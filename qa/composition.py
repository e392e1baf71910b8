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
from qa.reader import open_sentence_reader
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


def open_engine(settings: Settings) -> Engine:
    """Open the index there is, with the models to search and read it.

    Raises:
        NoIndex: There is none.
        CitespanError: It, or its encoder, cannot be used.
    """
    store = EmbeddedStore(settings.index)
    try:
        encoder = _encoder_of(store, settings)
    except BaseException:
        store.close()
        raise
    return Engine(
        store,
        encoder,
        open_sentence_reader(encoder),
        source=Source(settings.documents, settings.index, store.identity.encoder, settings.max_file_bytes),
        min_confidence=settings.min_confidence,
    )


def _encoder_of(store: EmbeddedStore, settings: Settings) -> Encoder:
    name = settings.encoder or store.identity.encoder
    encoder = open_encoder(name, offline=not settings.hub)
    check_encoder(store.identity, name=name, fingerprint=encoder.fingerprint)
    return encoder
