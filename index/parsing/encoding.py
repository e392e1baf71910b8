"""Bytes of unknown encoding to normalised text."""

from __future__ import annotations

import codecs

import charset_normalizer
from charset_normalizer import CharsetMatch, CharsetMatches

from index.errors import UndecodableFile

# UTF-32 before UTF-16: its little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_NEGLIGIBLE_CHAOS = 0.1
_BINARY = "it holds binary data, not text; remove it or convert it to text"


def decode(content: bytes, *, declared: str | None = None) -> str:
    r"""Return the text of some bytes: no byte order mark, line ends as "\n".

    The encoding is, in this order: the one of a byte order mark, the declared one, UTF-8 where the
    bytes are valid UTF-8 (other text hardly ever is), the one that charset-normalizer finds likeliest.

    Raises:
        UndecodableFile: None of them gives text, or the text holds NUL characters: it is binary.
    """
    text = _decoded(content, declared)
    if "\0" in text:
        raise UndecodableFile(_BINARY)
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _decoded(content: bytes, declared: str | None) -> str:
    marked = [encoding for mark, encoding in _MARKS if content.startswith(mark)]
    for encoding in [*marked[:1], *([declared] if declared else []), "utf-8"]:
        try:
            text = content.decode(encoding)
            text.encode()  # a declared encoding can be one that makes lone surrogates
        except (UnicodeError, LookupError):
            continue
        return text
    if b"\0" in content:
        raise UndecodableFile(_BINARY)
    best = _likeliest(charset_normalizer.from_bytes(content))
    if best is None:
        raise UndecodableFile("its encoding is not recognised; convert it to UTF-8")
    return str(best).encode("utf-8", "replace").decode()


def _likeliest(matches: CharsetMatches) -> CharsetMatch | None:
    """Return the best match; Windows-1252, by far the commonest, before others that are hardly better.

    Where Western texts are short, its Central European and Baltic siblings come out ahead of it.
    """
    best = matches.best()
    for match in matches:
        if best and match.encoding == "cp1252" and match.coherence >= best.coherence:
            return match if match.chaos <= best.chaos + _NEGLIGIBLE_CHAOS else best
    return best
