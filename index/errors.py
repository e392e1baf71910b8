"""Every error that Citespan raises on purpose.

    CitespanError
    ├── InputError                what the caller sent cannot be used
    │   ├── EmptyQuestion
    │   ├── QuestionTooLong
    │   ├── InvalidText           not Unicode text: NUL, lone surrogates
    │   ├── InvalidParameter      not a number, out of range, of the wrong kind
    │   ├── UnknownParameter
    │   ├── InvalidRequest        not JSON, not an object, of another media type
    │   └── InvalidEvaluationData questions or articles to measure with are malformed
    ├── NotFoundError
    │   ├── UnknownDocument
    │   ├── UnknownSpan           the document has no such characters
    │   └── UnknownFeedback
    ├── CollectionError           the folder as a whole cannot be read
    │   └── CollectionMissing
    ├── FileError                 one file cannot be used; a build lists it and goes on
    │   ├── UnreadableFile
    │   ├── FileTooLarge
    │   ├── UndecodableFile
    │   ├── NoText
    │   ├── UnsupportedName
    │   └── SkippedFile           not a failure: it is left out by rule
    │       ├── UnsupportedType
    │       ├── OutsideCollection
    │       ├── HiddenFile
    │       └── IgnoredFile
    ├── ModelError                a model's files, whatever it is for
    │   ├── ModelMissing
    │   ├── ModelDamaged
    │   └── ModelUnsupported
    ├── EncoderError
    │   ├── EncoderMissing
    │   └── EncoderDamaged
    ├── ReaderError
    │   ├── ReaderMissing
    │   └── ReaderDamaged
    ├── Overloaded                too many questions wait already
    ├── AddressUnusable           the service cannot listen there
    ├── OpenedBeforeFork          the server has processes, and they share what each has to open
    ├── StoreError
    │   ├── NoIndex
    │   ├── NoPreviousIndex       nothing to roll back to
    │   ├── DamagedIndex
    │   ├── EncoderMismatch
    │   ├── OtherCollection
    │   ├── UnsupportedIndex      made by another version of Citespan
    │   ├── IndexBusy             another process is writing
    │   ├── IndexNotWritable
    │   └── StaleIndex            the folder has changed since it was compared with the index
    ├── BackupError               a copy of an index
    │   ├── BackupMissing
    │   ├── BackupExists          nothing is written over
    │   ├── BackupNotWritable
    │   ├── DamagedBackup
    │   └── UnsupportedBackup     made by another version of Citespan
    └── FeedbackError             what people said of answers, kept beside the index
        ├── DamagedFeedback
        ├── UnsupportedFeedback   written by another version of Citespan
        └── NothingToExport

Each leaf has a `code`, which is stable and explained in docs/errors.md, and a message that names the
value and the remedy. What a code means at the wire (HTTP status, exit status) is the wire's business.
"""

from __future__ import annotations

from typing import ClassVar


class CitespanError(Exception):
    """Root of the tree."""

    code: ClassVar[str] = "error"


class InputError(CitespanError):
    """What the caller sent cannot be used."""

    code = "invalid_input"


class EmptyQuestion(InputError):
    """There is no question, or it is blank."""

    code = "question_empty"


class QuestionTooLong(InputError):
    """The question is longer than any question is."""

    code = "question_too_long"


class InvalidText(InputError):
    """The text holds NUL characters or lone surrogates."""

    code = "text_invalid"


class InvalidParameter(InputError):
    """A parameter's value is of the wrong kind or out of range."""

    code = "parameter_invalid"


class UnknownParameter(InputError):
    """A parameter that does not exist: refused, since a silently ignored one misleads."""

    code = "parameter_unknown"


class InvalidRequest(InputError):
    """The request's body is not what the endpoint takes."""

    code = "request_invalid"


class InvalidEvaluationData(InputError):
    """A file of questions or articles to measure with is malformed, or does not fit the others."""

    code = "evaluation_data_invalid"


class NotFoundError(CitespanError):
    """What was asked for by name is not there."""

    code = "not_found"


class UnknownDocument(NotFoundError):
    """No document of this id is indexed."""

    code = "document_unknown"


class UnknownSpan(NotFoundError):
    """The document has no such characters."""

    code = "span_unknown"


class UnknownFeedback(NotFoundError):
    """No feedback of this id is kept."""

    code = "feedback_unknown"


class CollectionError(CitespanError):
    """The folder of documents as a whole cannot be read."""

    code = "collection_unreadable"


class CollectionMissing(CollectionError):
    """The folder of documents does not exist, or is no folder."""

    code = "collection_missing"


class FileError(CitespanError):
    """One file cannot be used. A build lists it with its code and goes on with the others."""

    code = "file_unusable"


class UnreadableFile(FileError):
    """The operating system refuses the file's bytes."""

    code = "file_unreadable"


class FileTooLarge(FileError):
    """The file is over the size limit."""

    code = "file_too_large"


class UndecodableFile(FileError):
    """The bytes are no text in any encoding that was recognised."""

    code = "file_undecodable"


class NoText(FileError):
    """The file was read and holds no text."""

    code = "file_without_text"


class UnsupportedName(FileError):
    """The file's name is not valid Unicode, so no document id can name it."""

    code = "file_name_invalid"


class SkippedFile(FileError):
    """The file is left out by rule, and there is nothing wrong with it."""

    code = "file_skipped"


class UnsupportedType(SkippedFile):
    """No parser reads files with this ending."""

    code = "file_type_unsupported"


class OutsideCollection(SkippedFile):
    """A link that leads out of the folder, or into a folder that is walked elsewhere."""

    code = "file_outside_collection"


class HiddenFile(SkippedFile):
    """A name that begins with a dot: left out by convention."""

    code = "file_hidden"


class IgnoredFile(SkippedFile):
    """A line of `.citespanignore` leaves it out."""

    code = "file_ignored"


class ModelError(CitespanError):
    """A model's files cannot be used."""

    code = "model_unusable"


class ModelMissing(ModelError):
    """No model of this name or path was found."""

    code = "model_missing"


class ModelDamaged(ModelError):
    """A model's weights or settings are missing, incomplete or not what they should be."""

    code = "model_damaged"


class ModelUnsupported(ModelError):
    """The model is of a kind that is not compiled here."""

    code = "model_unsupported"


class EncoderError(CitespanError):
    """The encoder cannot be used."""

    code = "encoder_unusable"


class EncoderMissing(EncoderError):
    """No encoder of this name or path can be loaded."""

    code = "encoder_missing"


class EncoderDamaged(EncoderError):
    """The encoder's weights are not the ones they should be."""

    code = "encoder_damaged"


class ReaderError(CitespanError):
    """The reader cannot be used."""

    code = "reader_unusable"


class ReaderMissing(ReaderError):
    """No reader of this name was found."""

    code = "reader_missing"


class ReaderDamaged(ReaderError):
    """The reader's files are incomplete or not what they should be."""

    code = "reader_damaged"


class Overloaded(CitespanError):
    """More questions wait than can be answered in time."""

    code = "overloaded"


class AddressUnusable(CitespanError):
    """The service cannot listen on this address: it is taken, or not one of this machine."""

    code = "address_unusable"


class OpenedBeforeFork(CitespanError):
    """The server opened the index before it forked, and its processes cannot share it."""

    code = "opened_before_fork"


class StoreError(CitespanError):
    """The index cannot be used."""

    code = "index_unusable"


class NoIndex(StoreError):
    """There is no index yet."""

    code = "index_missing"


class NoPreviousIndex(StoreError):
    """No index is kept that could be rolled back to."""

    code = "index_previous_missing"


class DamagedIndex(StoreError):
    """The database is damaged."""

    code = "index_damaged"


class EncoderMismatch(StoreError):
    """The index was made by another encoder, so its vectors mean something else."""

    code = "index_encoder_mismatch"


class OtherCollection(StoreError):
    """The index was made from another folder, which still exists."""

    code = "index_of_other_collection"


class UnsupportedIndex(StoreError):
    """The index was made by a version of Citespan whose format this one does not read."""

    code = "index_unsupported"


class IndexBusy(StoreError):
    """Another process is writing the index."""

    code = "index_busy"


class IndexNotWritable(StoreError):
    """The index cannot be written: no permission, a read-only or a full disk."""

    code = "index_not_writable"


class StaleIndex(StoreError):
    """The folder has changed since, and only an answer from what it holds now was asked for.

    Attributes:
        n_added, n_changed, n_removed: Files.
    """

    code = "index_stale"

    def __init__(self, message: str, *, n_added: int = 0, n_changed: int = 0, n_removed: int = 0) -> None:
        super().__init__(message)
        self.n_added = n_added
        self.n_changed = n_changed
        self.n_removed = n_removed


class BackupError(CitespanError):
    """A backup cannot be made or used."""

    code = "backup_unusable"


class BackupMissing(BackupError):
    """There is no backup of this name."""

    code = "backup_missing"


class BackupExists(BackupError):
    """There is something of the name that the backup was to have; nothing is written over."""

    code = "backup_exists"


class BackupNotWritable(BackupError):
    """The backup cannot be written: no permission, a read-only or a full disk."""

    code = "backup_not_writable"


class DamagedBackup(BackupError):
    """The backup is not what was backed up."""

    code = "backup_damaged"


class UnsupportedBackup(BackupError):
    """The backup was made by a version of Citespan whose format this one does not read."""

    code = "backup_unsupported"


class FeedbackError(CitespanError):
    """What people said of answers cannot be used."""

    code = "feedback_unusable"


class DamagedFeedback(FeedbackError):
    """The file of feedback is damaged."""

    code = "feedback_damaged"


class UnsupportedFeedback(FeedbackError):
    """The file of feedback was written by a version of Citespan whose format this one does not read."""

    code = "feedback_unsupported"


class NothingToExport(FeedbackError):
    """There is no feedback that can be exported as a data set."""

    code = "feedback_nothing_to_export"
