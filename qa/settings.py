"""One list of settings feeds flags, environment and documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from index.collection import MAX_FILE_BYTES
from index.errors import InvalidParameter
from index.retriever import Retrieval
from qa.readers import EMBEDDED
from qa.requests import MAX_K
from qa.span_reader import MAX_ANSWER_TOKENS

PREFIX = "CITESPAN_"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person may choose. Each field is explained where it is listed, in `SETTINGS`."""

    documents: Path
    index: Path
    encoder: str | None
    hub: bool
    max_file_bytes: int
    retrieval: Retrieval
    rerank: int
    reader: str
    min_confidence: float | None
    max_risk: float | None
    max_answer_tokens: int
    host: str
    port: int
    allowed_host: tuple[str, ...]
    threads: int
    watch: bool
    log_level: str


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: the flag `--name`, the environment variable `CITESPAN_NAME`, the field `name`.

    Attributes:
        kind: Of its value, for click.
        concerns: What it changes; a command takes the settings that concern it.
    """

    name: str
    kind: click.ParamType[Any] | type
    default: object
    help: str
    concerns: str
    is_flag: bool = False
    is_repeated: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    def option(self) -> click.Option:
        """Return the command line's option."""
        return click.Option(
            [self.flag],
            type=None if self.is_flag else self.kind,
            default=self.default,
            is_flag=self.is_flag,
            multiple=self.is_repeated,
            envvar=self.variable,
            show_envvar=True,
            show_default=self.default not in (None, ()),
            help=self.help,
        )


_FOLDER = click.Path(path_type=Path)

DEFAULT_DOCUMENTS = Path("documents")

SETTINGS = (
    Setting("documents", _FOLDER, DEFAULT_DOCUMENTS, "Folder of documents.", "index"),
    Setting("index", _FOLDER, Path("var"), "Folder of the index; made if it is not there.", "index"),
    Setting(
        "encoder",
        str,
        None,
        "Encoder of a new index: a folder with a sentence-transformers model, or with --hub a model's id. "
        "Without it the embedded all-MiniLM-L6-v2; an existing index names its own.",
        "index",
    ),
    Setting("hub", bool, False, "Allow models to be fetched from the Hugging Face hub.", "index", is_flag=True),
    Setting("max_file_bytes", click.IntRange(min=1), MAX_FILE_BYTES, "Files over this size are not read.", "index"),
    Setting(
        "retrieval",
        click.Choice(Retrieval, case_sensitive=False),  # click goes by the members' names, which are capitals
        Retrieval.HYBRID,
        "Find passages by meaning and by words (hybrid), or by one of them.",
        "retrieval",
    ),
    Setting(
        "rerank",
        click.IntRange(0, MAX_K),
        0,
        "Of a search, let the reader put so many of the first passages in order; 0 for none.",
        "retrieval",
    ),
    Setting(
        "reader",
        str,
        EMBEDDED,
        "Reader: the embedded one, a folder with an extractive question answering model of transformers, or with "
        "--hub a model's id.",
        "answers",
    ),
    Setting(
        "min_confidence",
        click.FloatRange(0, 1),
        None,
        "Answer only from this confidence on. Without it the reader's own threshold, chosen on data.",
        "answers",
    ),
    Setting(
        "max_risk",
        click.FloatRange(0, 1),
        None,
        "Answer only where at most this share of answers is wrong, as it was measured: 0.25 for one of four. "
        "A reader promises none below the least that was.",
        "answers",
    ),
    Setting(
        "max_answer_tokens",
        click.IntRange(1, 200),
        MAX_ANSWER_TOKENS,
        "The longest answer, in word pieces.",
        "answers",
    ),
    Setting("host", str, "127.0.0.1", "Address to serve on.", "addresses"),
    Setting("port", click.IntRange(0, 65535), 8000, "Port to serve on; 0 for any free one.", "server"),
    Setting(
        "allowed_host",
        str,
        (),
        "A further host name that requests may be addressed to. Repeatable; in the environment, separated by spaces.",
        "addresses",
        is_repeated=True,
    ),
    Setting("threads", click.IntRange(1, 256), 16, "Requests handled at the same time.", "server"),
    Setting("watch", bool, False, "Update the index whenever a document changes.", "server", is_flag=True),
    Setting(
        "log_level",
        click.Choice(["debug", "info", "warning", "error"]),
        "warning",
        "How much to log, on standard error.",
        "logging",
    ),
)


def options(*concerns: str) -> list[click.Parameter]:
    """Return the options of the settings that concern a command, and of logging."""
    return [setting.option() for setting in SETTINGS if setting.concerns in (*concerns, "logging")]


def settings_from(values: Mapping[str, Any]) -> Settings:
    """Return settings from parsed options; those that a command does not take have their defaults."""
    chosen = {setting.name: values.get(setting.name, setting.default) for setting in SETTINGS}
    # Not every shell expands what follows an "=", as in DOCUMENTS=~/papers.
    paths = {name: value.expanduser() for name, value in chosen.items() if isinstance(value, Path)}
    return Settings(**{**chosen, **paths})


def settings_of_environment(*concerns: str) -> Settings:
    """Return settings from environment variables alone, as a command would that takes these concerns.

    Raises:
        InvalidParameter: A variable has a value that cannot be used.
    """
    command = click.Command("environment", params=options(*concerns))
    try:
        return settings_from(command.make_context("environment", []).params)
    except click.UsageError as error:
        raise InvalidParameter(error.format_message()) from error
