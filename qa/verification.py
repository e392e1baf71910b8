"""Whether what was cited once still stands in the documents, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from index.errors import UnknownDocument
from index.records import Document, IndexState, Span
from index.store.database import Database
from index.store.protocol import Snapshot
from qa.anchoring import MAX_PLACES, Similar, locate
from qa.citations import citation_of
from qa.records import Citation
from qa.saved_citations import SavedCitation


class Standing(StrEnum):
    """What has become of a citation."""

    VALID = "valid"
    """The document has the quote in the same place."""
    MOVED = "moved"
    """It stands in another place, or the file has another name."""
    AMBIGUOUS = "ambiguous"
    """It stands in several places, and nothing tells which of them was cited."""
    CHANGED = "changed"
    """The document does not have it, or has its words where nothing else agrees."""
    DELETED = "deleted"
    """The document is not there, under no name."""

    @property
    def holds(self) -> bool:
        """Whether the citation is known to stand somewhere."""
        return self in (Standing.VALID, Standing.MOVED)


@dataclass(frozen=True, slots=True)
class Located:
    """A span of a document."""

    doc_id: str
    span: Span


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a document has in the place of a quote."""

    doc_id: str
    quote: str
    similar: Similar


@dataclass(frozen=True, slots=True)
class Checked:
    """What has become of one citation.

    Attributes:
        citation: As it is now, where it holds.
        places: Where the quote stands, if it is ambiguous; nearest to the old place first, by document.
        replacement: What is most like it, if it was changed and something is.
    """

    saved: SavedCitation
    standing: Standing
    citation: Citation | None = None
    places: tuple[Located, ...] = ()
    replacement: Replacement | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What has become of some citations, in the order they were given, in one version of the index."""

    checked: tuple[Checked, ...]
    state: IndexState

    @property
    def index_version(self) -> int:
        return self.state.index_version


def verify(snapshot: Snapshot | Database, saved: Sequence[SavedCitation]) -> Verification:
    """Return what has become of some citations in one version of an index; a database has to be pinned."""
    # Few documents at a time, for they may be large; so that each is read once, by document.
    document = lru_cache(maxsize=2)(snapshot.document)
    order = sorted(range(len(saved)), key=lambda n: saved[n].doc_id)
    same_bytes = snapshot.doc_ids_of({citation.sha256 for citation in saved})
    found = {n: _check(saved[n], document, same_bytes) for n in order}
    return Verification(tuple(found[n] for n in range(len(saved))), snapshot.state)


def _check(
    saved: SavedCitation, document: Callable[[str], Document], same_bytes: Mapping[str, Sequence[str]]
) -> Checked:
    """Look in the document of the same name first; where that does not tell, in those of the same bytes."""
    replacement = None
    places: list[Located] = []
    others = [doc_id for doc_id in same_bytes.get(saved.sha256, ()) if doc_id != saved.doc_id][:MAX_PLACES]
    is_there = False
    for doc_ids in ([saved.doc_id], others):
        before = len(places)
        for found in _present(doc_ids, document):
            is_there = True
            anchored = locate(found.text, saved.quotation)
            places += [Located(found.doc_id, span) for span in anchored.places]
            if anchored.similar and not replacement:
                replacement = Replacement(found.doc_id, anchored.similar.span.of(found.text), anchored.similar)
        if len(places) - before == 1:
            place = places[-1]
            is_valid = place == Located(saved.doc_id, saved.quotation.span)
            citation = citation_of(document(place.doc_id), place.span)
            return Checked(saved, Standing.VALID if is_valid else Standing.MOVED, citation)
    if places:
        return Checked(saved, Standing.AMBIGUOUS, places=tuple(places[:MAX_PLACES]))
    return Checked(saved, Standing.CHANGED if is_there else Standing.DELETED, replacement=replacement)


def _present(doc_ids: Iterable[str], document: Callable[[str], Document]) -> Iterable[Document]:
    for doc_id in doc_ids:
        try:
            yield document(doc_id)
        except UnknownDocument:
            continue
