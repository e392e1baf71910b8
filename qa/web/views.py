"""What the pages show, worked out before a template sees it; pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from index.collection import Failure
from index.errors import CitespanError, FileError
from index.records import HEADING_SEPARATOR, DocumentSummary, Hit, Span
from qa.answering import Candidate
from qa.confidence import Risk, whole_per_cent
from qa.feedback import MAX_TEXT, Entry
from qa.records import Answer, Citation, Explanation, Response
from qa.requests import DEFAULT_K, MAX_K, MAX_QUESTION
from qa.web.problems import HTTP_CODES, OTHER_HTTP_CODE, status_of

PAGE_SIZE = 200
"""Lines of a listing that one page shows."""

_KINDS_OF_FILE = {"text/plain": "Plain text", "text/markdown": "Markdown", "text/html": "HTML"}

_CONFIDENCES = ((0.75, "High"), (0.45, "Fair"), (0.0, "Low"))
"""From which probability on an answer is spoken of so."""

JUDGED = "judged"
"""The parameter of a URL that names what was said of its answer just now."""

_WHENCE = {
    "reader": "which is the reader’s own threshold, chosen on data",
    "min_confidence": "as was asked for",
    "max_risk": "from which on no more answers are wrong than was asked for, as it was measured",
}
_SILENCES = {
    "nothing_found": "No passage was found to read.",
    "nothing_to_cite": "The passages that were found hold nothing to cite.",
}

_OF_HTTP = {
    "forbidden": "A page of another site sent the request; those are not taken.",
    "method_not_allowed": "The address exists, and is not asked in this way: the Allow header says how.",
    "request_too_large": "The request's body is larger than any question needs.",
    "host_unknown": "The service does not answer to the name it was called by; --allowed-host adds one.",
    "internal_error": "An error nobody foresaw: the service's log has its traceback. Please report it.",
}
"""What HTTP's own codes mean here; those that Citespan's tree has too are explained there."""


@dataclass(frozen=True, slots=True)
class Form:
    """The question box as it was sent, usable or not.

    Attributes:
        paths, media_types: At least one each, "" where nothing was chosen: one control for each.
        choices: The media types to choose from.
        risks: The shares of wrong answers to choose from, as they stand in a URL.
    """

    question: str
    k: str
    paths: tuple[str, ...]
    media_types: tuple[str, ...]
    choices: tuple[str, ...]
    min_confidence: str
    max_risk: str
    risks: tuple[str, ...]

    max_question: ClassVar[int] = MAX_QUESTION
    max_k: ClassVar[int] = MAX_K

    @classmethod
    def of(cls, query: MultiDict[str, str], choices: Iterable[str], risks: Iterable[Risk]) -> Form:
        """Return the form that a URL's query fills in; `choices` are the media types there are."""
        # Nobody sees a NUL, so nobody could remove it from the box.
        shown = {name: [value.replace("\0", "") for value in query.getlist(name) if value] for name in query}
        media_types = tuple(shown.get("media_type", ()))
        max_risk = "".join(shown.get("max_risk", [])[:1])
        known = [f"{risk.max_risk:g}" for risk in risks]
        return cls(
            question="".join(shown.get("q", [])[:1]),
            k="".join(shown.get("k", [])[:1]) or str(DEFAULT_K),
            paths=tuple(shown.get("path", ())) or ("",),
            media_types=media_types or ("",),
            choices=tuple(sorted({*choices, *media_types})),
            min_confidence="".join(shown.get("min_confidence", [])[:1]),
            max_risk=max_risk,
            risks=tuple(known),
        )

    def url(self, **further: object) -> str:
        """Return the URL of this form's answers, with some further parameters."""
        asked = [("q", self.question)]
        asked += [("path", path) for path in self.paths if path]
        asked += [("media_type", media_type) for media_type in self.media_types if media_type]
        asked += [("k", self.k)] if self.k != str(DEFAULT_K) else []
        asked += [("min_confidence", self.min_confidence)] if self.min_confidence else []
        asked += [("max_risk", self.max_risk)] if self.max_risk else []
        return "/?" + urlencode([*asked, *further.items()])

    @property
    def has_filter(self) -> bool:
        return any(self.paths) or any(self.media_types)

    @property
    def is_special(self) -> bool:
        """Whether anything but the question was chosen."""
        return self.has_filter or self.k != str(DEFAULT_K) or bool(self.max_risk)


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A text cut in three by a span."""

    before: str
    marked: str
    after: str

    @classmethod
    def of(cls, text: str, span: Span) -> MarkedText:
        """Return the cut, by offsets alone.

        Raises:
            ValueError: The span ends after the text does.
        """
        return cls(text[: span.start], span.of(text), text[span.end :])


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer with its quote marked inside its passage.

    Attributes:
        elsewhere: The other places where the same answer was read.
    """

    passage: MarkedText
    confidence: float
    citation: Citation
    elsewhere: tuple[Citation, ...]

    @classmethod
    def of(cls, answer: Answer) -> AnswerView:
        """Return the view: the citation's span counts from the document's start, the passage's text from its own."""
        passage = answer.hit.passage
        marked = MarkedText.of(passage.text, answer.citation.span.shifted(-passage.span.start))
        return cls(marked, answer.confidence, answer.citation, answer.citations[1:])


@dataclass(frozen=True, slots=True)
class ExplanationView:
    """Why a question was answered so, or not.

    Attributes:
        verdict: In a sentence or two.
    """

    verdict: str
    candidates: tuple[Candidate, ...]

    @classmethod
    def of(cls, explanation: Explanation) -> ExplanationView:
        """Return the view."""
        whence = _WHENCE[explanation.chosen_by]
        bar = f"Answers are given from a confidence of {per_cent(explanation.min_confidence)} on, {whence}."
        if explanation.silence == "not_confident":
            best = explanation.candidates[0]
            reason = f"The best candidate, “{best.text}”, has {per_cent(best.confidence)}."
        else:
            reason = _SILENCES.get(explanation.silence or "", "")
        return cls(f"{bar} {reason}".strip(), explanation.candidates)


@dataclass(frozen=True, slots=True)
class JudgingForm:
    """What a person may say of the best answer, or of a silence.

    Attributes:
        action: Where it goes, with the question as it was asked, so that the way leads back.
        is_silence: Whether the place is the nearest passage, and not that of an answer.
        digest: Of the place's words, by which the server sees that they are still there. Not the words: a
            browser would send them with other line ends.
        kept: What was said just now.
    """

    action: str
    is_silence: bool
    doc_id: str
    span: Span
    digest: str
    index_version: int
    kept: Entry | None

    max_text: ClassVar[int] = MAX_TEXT

    @classmethod
    def of(cls, response: Response, query: MultiDict[str, str], *, kept: Entry | None) -> JudgingForm | None:
        """Return the form for a response to the query of a URL; None where nothing was read."""
        if not response.hits:
            return None
        if response.answers:
            citation = response.answers[0].citation
            doc_id, span, words = citation.doc_id, citation.span, citation.quote
        else:
            nearest = response.hits[0].passage
            doc_id, span, words = nearest.doc_id, nearest.span, nearest.text
        asked = [(name, value) for name, value in query.items(multi=True) if name != JUDGED]
        return cls(
            action="/feedback?" + urlencode(asked),
            is_silence=not response.answers,
            doc_id=doc_id,
            span=span,
            digest=digest_of(words),
            index_version=response.index_version,
            kept=kept,
        )


def digest_of(words: str) -> str:
    """Return a digest by which words can be compared without being sent."""
    return hashlib.sha256(words.encode()).hexdigest()


def other_hits(response: Response) -> tuple[Hit, ...]:
    """Return the hits whose passages hold none of the answers, in their order."""
    given = response.explanation.candidates[: len(response.answers)]
    quoted = {place.hit.passage.passage_id for candidate in given for place in candidate.places}
    return tuple(hit for hit in response.hits if hit.passage.passage_id not in quoted)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the collection, and how much lies below it."""

    path: str
    n_documents: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The documents below a path, one page of them.

    Attributes:
        path: "" for the whole collection.
        folders: Those directly in `path`.
        n_documents, n_passages: Below `path`, on all pages.
        page: From 1.
    """

    path: str
    folders: tuple[Folder, ...]
    documents: tuple[DocumentSummary, ...]
    n_documents: int
    n_passages: int
    page: int
    n_pages: int

    @classmethod
    def of(cls, summaries: Sequence[DocumentSummary], *, path: str = "", page: int = 1) -> Listing:
        """Return the page of the documents below `path`; after the last page there are none."""
        below = [summary for summary in summaries if is_below(summary.doc_id, path)]
        return cls(
            path,
            _subfolders([summary.doc_id for summary in below], path),
            tuple(below[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]),
            len(below),
            sum(summary.n_passages for summary in below),
            page,
            max(1, -(-len(below) // PAGE_SIZE)),
        )

    @property
    def parents(self) -> tuple[str, ...]:
        """The path's folders, outermost first, itself last."""
        parts = self.path.split("/") if self.path else []
        return tuple("/".join(parts[: n + 1]) for n in range(len(parts)))


def is_below(path: str, folder: str) -> bool:
    """Return whether a path is the folder itself or lies in it, by whole components; all lie in ""."""
    return not folder or path == folder or path.startswith(folder + "/")


def _subfolders(doc_ids: Iterable[str], path: str) -> tuple[Folder, ...]:
    start = len(path) + 1 if path else 0
    names = Counter(doc_id[start:].partition("/")[0] for doc_id in doc_ids if "/" in doc_id[start:])
    return tuple(Folder(f"{path}/{name}" if path else name, n) for name, n in sorted(names.items()))


@dataclass(frozen=True, slots=True)
class Failures:
    """The files that are not in the index: the first of them, and how many there are."""

    shown: tuple[Failure, ...]
    n_all: int

    @classmethod
    def of(cls, failures: Iterable[Failure], *, path: str, is_skipped: bool) -> Failures:
        """Return those at or below a path that were left out by rule, or those that something is wrong with."""
        chosen = [failure for failure in failures if failure.is_skipped is is_skipped and is_below(failure.path, path)]
        return cls(tuple(chosen[:PAGE_SIZE]), len(chosen))


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """What an error code means.

    Attributes:
        status: HTTP's, None for an error of a single file, which no request fails by.
    """

    code: str
    text: str
    status: int | None


def explanations() -> tuple[ErrorCode, ...]:
    """Return every code that the API, the pages or an update can give: Citespan's tree, then HTTP's own."""
    own = [
        ErrorCode(
            class_.code,
            _first_paragraph(class_.__doc__ or ""),
            None if issubclass(class_, FileError) else status_of(class_("")),
        )
        for class_ in _descendants(CitespanError)
    ]
    taken = {explanation.code for explanation in own}
    https = [ErrorCode(code, _OF_HTTP[code], status) for status, code in HTTP_CODES.items() if code not in taken]
    return (*own, *https, ErrorCode(OTHER_HTTP_CODE, "Another error of HTTP: its status says which.", None))


def _descendants(class_: type[CitespanError]) -> Iterable[type[CitespanError]]:
    for child in class_.__subclasses__():
        yield child
        yield from _descendants(child)


def _first_paragraph(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())


def confidence(probability: float) -> str:
    """Return a probability in words and per cent. Never 0% or 100%: no answer is certain."""
    word = next(word for least, word in _CONFIDENCES if probability >= least)
    return f"{word} confidence, {whole_per_cent(probability)}%"


def per_cent(share: float) -> str:
    """Return a share of 1 in per cent, with a decimal."""
    return f"{share * 100:.1f} %"


def below(heading: str, title: str) -> str:
    """Return a path of headings without the document's title, which is shown beside it."""
    return "" if heading == title else heading.removeprefix(title + HEADING_SEPARATOR)


def duration(ms: float) -> str:
    """Return a time as people read it: "85 ms", "4.1 s"."""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def kind_of_file(media_type: str) -> str:
    """Return the name that people know a media type by, or itself."""
    return _KINDS_OF_FILE.get(media_type, media_type)


def sentence(message: str) -> str:
    """Return an error's message as a sentence; a name at its beginning stays as it is."""
    first = message.partition(" ")[0]
    begun = message[:1].upper() + message[1:] if first.isalpha() and len(first) > 1 else message
    return begun + ("" if message.endswith((".", "?", "!", "”")) else ".")
