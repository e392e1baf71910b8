"""Records as JSON: the promised form of the API, for the service and the shell alike.

Keys may be added, never removed or changed. Offsets are Unicode code points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote, urlencode

from index.collection import Failure
from index.health import Finding, Result
from index.records import DocumentSummary, Hit, IndexState, Span
from index.rollback import Previous
from index.store.folder import Removed
from index.update import Plan, Rebuild, UpdateReport
from qa.answering import Candidate, Place
from qa.engine import ReaderStatus, Status
from qa.feedback import Entry, Quoted
from qa.records import Answer, Citation, DocumentList, DocumentView, Explanation, Response, SearchResponse
from qa.verification import Checked, Verification

# JSON has no static shape that says more than this.
Json = dict[str, Any]

OFFSETS = "unicode code points"


def document_url(doc_id: str, span: Span | None = None) -> str:
    """Return the path of a document's page, with the span that it shall show."""
    query = "?" + urlencode({"start": span.start, "end": span.end}) + "#span" if span else ""
    return f"/documents/{quote(doc_id)}{query}"


def response_json(response: Response, *, explain: bool = False) -> Json:
    """Return what `ask` answers; explained, also why."""
    explanation = {"explanation": _explanation(response.explanation)} if explain else {}
    return {
        "question": response.question,
        "answers": [_answer(answer) for answer in response.answers],
        "passages": [_hit(hit) for hit in response.hits],
        **explanation,
        "offsets": OFFSETS,
        **_state(response.state),
        "took_ms": dict(response.took_ms),
    }


def search_json(response: SearchResponse) -> Json:
    """Return what `search` answers."""
    return {
        "query": response.query,
        "hits": [_hit(hit) for hit in response.hits],
        "offsets": OFFSETS,
        **_state(response.state),
        "took_ms": dict(response.took_ms),
    }


def document_json(view: DocumentView) -> Json:
    """Return a document with its canonical text."""
    document = view.document
    return {
        "doc_id": document.doc_id,
        "title": document.title,
        "media_type": document.media_type,
        "sha256": document.sha256,
        "text": document.text,
        "n_characters": len(document.text),
        "n_passages": view.n_passages,
        "offsets": OFFSETS,
        **_state(view.state),
        "url": document_url(document.doc_id),
    }


def documents_json(listed: DocumentList) -> Json:
    """Return the listing of documents."""
    return {"documents": [summary_json(summary) for summary in listed.documents], **_state(listed.state)}


def summary_json(summary: DocumentSummary) -> Json:
    """Return one line of the listing."""
    return {
        "doc_id": summary.doc_id,
        "title": summary.title,
        "media_type": summary.media_type,
        "n_characters": summary.n_characters,
        "n_passages": summary.n_passages,
        "url": document_url(summary.doc_id),
    }


def status_json(status: Status) -> Json:
    """Return what the index holds."""
    return {
        "index_version": status.index_version,
        "reconciled_at": status.state.reconciled_at,
        "n_documents": status.counts.n_documents,
        "n_passages": status.counts.n_passages,
        "n_failed": status.counts.n_failed,
        "encoder": status.encoder,
        "root": status.root,
        "reader": _reader(status.reader),
        "others": [_failure(failure) for failure in status.failures],
    }


def findings_json(findings: Sequence[Finding], repaired: Sequence[str]) -> Json:
    """Return what `citespan doctor` found and mended."""
    return {
        "is_sound": all(finding.result is not Result.DAMAGED for finding in findings),
        "findings": [
            {"check": finding.check, "result": finding.result.value, "message": finding.message} for finding in findings
        ],
        "repaired": list(repaired),
    }


def report_json(report: UpdateReport) -> Json:
    """Return what an update did."""
    return {
        "added": list(report.added),
        "replaced": list(report.replaced),
        "renamed": list(report.renamed),
        "deleted": list(report.deleted),
        "n_unchanged": report.n_unchanged,
        "others": [_failure(failure) for failure in report.others],
        "n_encoded": report.n_encoded,
        "n_reused": report.n_reused,
        "n_not_retried": report.n_not_retried,
        "index_version": report.index_version,
        "took_s": round(report.took_s, 3),
    }


def previous_json(previous: Previous | None) -> Json | None:
    """Return what is kept for a rollback."""
    if previous is None:
        return None
    contents = previous.contents
    return {
        "n_bytes": previous.n_bytes,
        "encoder": contents and contents.identity.encoder,
        "index_version": contents and contents.state.index_version,
        "reconciled_at": contents and contents.state.reconciled_at,
        "n_documents": contents and contents.counts.n_documents,
        "n_passages": contents and contents.counts.n_passages,
        "problem": previous.problem,
    }


def removed_json(removed: Sequence[Removed]) -> Json:
    """Return what `citespan prune` removed."""
    return {"removed": [asdict(file) for file in removed], "n_bytes": sum(file.n_bytes for file in removed)}


def rebuild_json(rebuild: Rebuild) -> Json:
    """Return what a rebuild would put in the place of what."""
    former = rebuild.former
    return {
        "encoder": {"from": former and former.identity.encoder, "to": rebuild.encoder},
        "passages": {"from": former and asdict(former.identity.passages), "to": asdict(rebuild.passages)},
        "n_documents": former and former.counts.n_documents,
        "n_passages": former and former.counts.n_passages,
    }


def plan_json(plan: Plan) -> Json:
    """Return what an update would do."""
    return {
        "add": [file.doc_id for file in plan.add],
        "replace": [file.doc_id for file in plan.replace],
        "rename": [{"from": rename.known.doc_id, "to": rename.file.doc_id} for rename in plan.rename],
        "delete": [known.doc_id for known in plan.delete],
        "n_unchanged": plan.n_unchanged,
        "failed_before": [_failure(item.failure) for item in plan.failed_before],
        "others": [_failure(failure) for failure in plan.others],
        "n_to_encode": len(plan.to_encode),
        "bytes_to_encode": sum(file.stamp.size for file in plan.to_encode),
    }


def entry_json(entry: Entry) -> Json:
    """Return what somebody said of an answer, as it is kept."""
    is_silence = entry.answer is None
    place = entry.place and _quoted(entry.place)
    return {
        "id": entry.entry_id,
        "time": entry.time,
        "question": entry.question,
        "verdict": entry.verdict.value,
        "answer": entry.answer,
        "citation": None if is_silence else place,
        "passage": place if is_silence else None,
        "corrected": entry.corrected,
        "comment": entry.comment,
        "index_version": entry.index_version,
        "reader": entry.reader,
        "encoder": entry.encoder,
    }


def verification_json(verification: Verification) -> Json:
    """Return what has become of citations."""
    return {
        "citations": [_checked(checked) for checked in verification.checked],
        "offsets": OFFSETS,
        **_state(verification.state),
    }


def problem_json(code: str, detail: str, *, status: int, title: str) -> Json:
    """Return an error as RFC 9457 has it, with its stable code."""
    return {
        "type": f"/errors#{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
    }


def _state(state: IndexState) -> Json:
    return {"index_version": state.index_version, "reconciled_at": state.reconciled_at, "n_failed": state.n_failed}


def _reader(reader: ReaderStatus | None) -> Json | None:
    if reader is None:
        return None
    return {"name": reader.name, "min_confidence": reader.min_confidence, "risks": list(reader.risks)}


def _answer(answer: Answer) -> Json:
    return {
        "text": answer.text,
        "confidence": round(answer.confidence, 4),
        "citation": _citation(answer.citation),
        "citations": [_citation(citation) for citation in answer.citations],
        "passage_rank": answer.hit.rank,
    }


def _explanation(explanation: Explanation) -> Json:
    return {
        "min_confidence": explanation.min_confidence,
        "chosen_by": explanation.chosen_by,
        "silence": explanation.silence,
        "candidates": [_candidate(candidate) for candidate in explanation.candidates],
    }


def _candidate(candidate: Candidate) -> Json:
    evidence = candidate.evidence
    return {
        "text": candidate.text,
        "confidence": round(candidate.confidence, 4),
        "answerability": round(evidence.answerability, 4),
        "share": round(evidence.share, 6),
        "places": [_place(place) for place in candidate.places],
    }


def _place(place: Place) -> Json:
    hit = place.hit
    return {
        "doc_id": hit.passage.doc_id,
        "start": place.span.start,
        "end": place.span.end,
        "passage_rank": hit.rank,
        "dense_rank": hit.dense_rank,
        "lexical_rank": hit.lexical_rank,
        "fused_score": round(hit.score, 6),
        "start_score": round(place.scored.start_score, 4),
        "end_score": round(place.scored.end_score, 4),
        "null_score": round(place.reading.no_answer, 4),
        "share": round(place.share, 6),
    }


def _citation(citation: Citation) -> Json:
    return {
        "doc_id": citation.doc_id,
        "title": citation.title,
        "start": citation.span.start,
        "end": citation.span.end,
        "quote": citation.quote,
        "prefix": citation.prefix,
        "suffix": citation.suffix,
        "heading": citation.heading,
        "line": citation.line,
        "sha256": citation.sha256,
        "url": document_url(citation.doc_id, citation.span),
    }


def _checked(checked: Checked) -> Json:
    saved, replacement = checked.saved, checked.replacement
    return {
        "status": checked.standing.value,
        "saved": {
            "doc_id": saved.doc_id,
            "start": saved.quotation.start,
            "end": saved.quotation.span.end,
            "quote": saved.quotation.quote,
        },
        "citation": checked.citation and _citation(checked.citation),
        "places": [_located(place.doc_id, place.span) for place in checked.places],
        "similar": replacement
        and {
            **_located(replacement.doc_id, replacement.similar.span),
            "quote": replacement.quote,
            "difference": [{"op": edit.op, "text": edit.text} for edit in replacement.similar.difference],
        },
    }


def _located(doc_id: str, span: Span) -> Json:
    return {"doc_id": doc_id, "start": span.start, "end": span.end, "url": document_url(doc_id, span)}


def _quoted(place: Quoted) -> Json:
    return {
        "doc_id": place.doc_id,
        "start": place.span.start,
        "end": place.span.end,
        "quote": place.quote,
        "sha256": place.sha256,
        "url": document_url(place.doc_id, place.span),
    }


def _hit(hit: Hit) -> Json:
    passage = hit.passage
    return {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "dense_rank": hit.dense_rank,
        "lexical_rank": hit.lexical_rank,
        "relevance": None if hit.relevance is None else round(hit.relevance, 4),
        "doc_id": passage.doc_id,
        "title": passage.title,
        "media_type": passage.media_type,
        "heading": passage.heading,
        "start": passage.span.start,
        "end": passage.span.end,
        "text": passage.text,
        "url": document_url(passage.doc_id, passage.span),
    }


def _failure(failure: Failure) -> Mapping[str, object]:
    return {
        "path": failure.path,
        "code": failure.code,
        "message": failure.message,
        "is_skipped": failure.is_skipped,
    }
