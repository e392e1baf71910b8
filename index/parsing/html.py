"""HTML: the canonical text is what a reader of the page sees of its content.

Site furniture (menus, headers, footers, asides, cookie notices, controls, scripts, what is hidden) is
left out. White
space is collapsed as a browser does; blocks are set apart by a blank line, list items and table
rows by a line break, cells by a tab, empty ones too, so that a cell's place in its row tells its column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lxml.html
from lxml import etree

from index.errors import UndecodableFile
from index.parsing.content import Content
from index.records import Heading, SourceLine

# Not `head`: what the parser does not know (`main` after a title, say) it leaves in there.
_FURNITURE = frozenset(
    "aside audio button canvas dialog embed footer iframe input math nav noscript object script"
    " select style svg template textarea title video".split()
)
_FURNITURE_ROLES = frozenset("alert alertdialog banner complementary contentinfo dialog navigation search".split())
# Classes of the notices that ask to agree to cookies.
_CONSENT = re.compile(
    r"(?:cookies?|consent|gdpr)(?:[-_]?(?:bar|banner|box|consent|dialog|hint|message|modal|notice|popup))?"
)
_BLOCKS = frozenset(
    "address article blockquote body caption center dd details dir div dl dt fieldset figcaption figure form h1 h2"
    " h3 h4 h5 h6 header hgroup hr html legend li main menu ol p pre section summary table tbody tfoot thead"
    " tr ul".split()
)
_TIGHT = frozenset("dd dt li tbody tfoot thead tr".split())
"""Blocks that follow one another on the next line; others have a blank line between them."""
_PLAIN = frozenset(("div", "p"))
"""Blocks that part nothing where they are all that a cell has."""
_CELLS = frozenset(("td", "th"))
_MOST_TABS = 100
"""Between two texts: a page may claim that a cell takes any number of columns."""
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))

# What HTML collapses. A no-break space stays, as on the page.
_COLLAPSIBLE = re.compile(r"[ \t\n\r\f]+")
_META_CHARSET = re.compile(rb"<meta[^>]{0,256}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"\A\s*<\?xml[^>]{0,128}?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_DECLARED_WITHIN = 4096
# Labels that stand for a larger encoding. Source: WHATWG Encoding Standard, section 4.2.
_AS_BROWSERS_DO = {
    **dict.fromkeys(("ascii", "us-ascii", "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "l1"), "cp1252"),
    **dict.fromkeys(("iso-8859-9", "latin5"), "cp1254"),
    **dict.fromkeys(("gb2312", "gbk", "x-gbk"), "gb18030"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "korean"), "cp949"),
    **dict.fromkeys(("tis-620", "iso-8859-11"), "cp874"),
    "big5": "big5hkscs",
}
# lxml refuses a str that declares an encoding, and libxml2 ends a text at a form feed's lesser
# kin: control characters that HTML does not allow are replaced as its standard says.
_CONTROLS = dict.fromkeys((*range(1, 9), 11, *range(14, 32), 127), "\ufffd")


def declared_encoding(content: bytes) -> str | None:
    """Return the encoding that the page says it is in, as browsers understand the name."""
    head = content[:_DECLARED_WITHIN]
    found = _XML_ENCODING.search(head) or _META_CHARSET.search(head)
    if not found:
        return None
    label = found[1].decode("ascii").lower()
    # A page whose label could be read as ASCII is not in UTF-16, whatever the label.
    return "utf-8" if label.startswith("utf-16") else _AS_BROWSERS_DO.get(label, label)


def read(text: str) -> Content:
    """Return the page's content, titled by its first main heading or its title element.

    Raises:
        UndecodableFile: The page nests deeper than the parser goes (2,048 elements).
    """
    parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        root = lxml.html.document_fromstring(text.translate(_CONTROLS).encode(), parser=parser)
    except etree.ParserError:  # nothing but white space and comments
        return Content("")
    if stopped := [entry.message for entry in parser.error_log if entry.level == etree.ErrorLevels.FATAL]:
        # What follows is missing from the tree, so that the page would be indexed in part.
        raise UndecodableFile(f"it cannot be parsed to its end ({stopped[0]}); simplify the page or convert it to text")
    writer = _Writer()
    for step in _walk(_content_root(root)):
        writer.take(step)
    content = writer.content()
    title = next((heading.title for heading in content.headings if heading.level == 1), "")
    return Content(content.text, title or _title_element(root), content.headings, content.source_lines)


def _title_element(root: etree._Element) -> str:
    return " ".join((root.findtext(".//title") or "").split())


def _content_root(root: etree._Element) -> etree._Element:
    """Return the page's main part where it shows exactly one, and all of it otherwise."""
    found = [
        element
        for element in root.iter()
        if (element.tag == "main" or element.get("role") == "main")
        and not any(map(_is_furniture, (element, *element.iterancestors())))
    ]
    return found[0] if len(found) == 1 else root


def _is_furniture(element: etree._Element) -> bool:
    if not isinstance(element.tag, str) or element.tag in _FURNITURE:
        return True
    if element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    if element.get("role", "") in _FURNITURE_ROLES:
        return True
    is_suspect = element.tag == "header" or any(map(_CONSENT.fullmatch, element.get("class", "").lower().split()))
    return is_suspect and not any(True for _ in element.iter(*_HEADINGS))


class _Step:
    """One event of the walk: an element begins or ends, or text is met inside it."""

    __slots__ = ("element", "is_end", "text")

    def __init__(self, element: etree._Element, *, text: str | None = None, is_end: bool = False) -> None:
        self.element = element
        self.text = text
        self.is_end = is_end


def _walk(top: etree._Element) -> Iterator[_Step]:
    """Yield the content's steps in document order, furniture left out.

    By a stack of its own: a page may nest deeper than Python's calls may.
    """
    stack: list[_Step] = [_Step(top)]
    while stack:
        step = stack.pop()
        if step.text is not None or step.is_end:
            yield step
            continue
        element = step.element
        if _is_furniture(element):
            if element.tag in _CELLS and element.get("hidden") is None:
                # It is seen, and has its place in its row.
                yield from (step, _Step(element, is_end=True))
            continue
        yield step
        stack.append(_Step(element, is_end=True))
        for child in reversed(element):
            if child.tail:
                stack.append(_Step(element, text=child.tail))
            stack.append(_Step(child))
        if element.text:
            stack.append(_Step(element, text=element.text))


@dataclass(slots=True)
class _Row:
    """A table's row while it is written.

    Attributes:
        start: How long the text was before it.
        n_columns: Of its last cell; 0 before the first.
    """

    start: int
    n_columns: int = 0


class _Writer:
    """Writes the canonical text, holding white space back until it is known to be needed."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._gap = ""
        self._rows: list[_Row] = []
        # Columns passed over since the last text, and those that the row before ended with.
        self._n_tabs = self._n_tabs_before = 0
        # How long the text was when a row last ended.
        self._row_end = 0
        # A block began or ended since the last text that sets more apart than a paragraph does.
        self._is_parted = False
        self._n_pre = 0
        self._line = 1
        self._headings: list[Heading] = []
        self._heading_start: int | None = None
        self._source_lines: list[SourceLine] = []

    def content(self) -> Content:
        trailing = "\t" * min(self._n_tabs_before, _MOST_TABS)
        return Content("".join(self._parts) + trailing, "", tuple(self._headings), tuple(self._source_lines))

    def take(self, step: _Step) -> None:
        if step.text is not None:
            self._write_text(step.text)
            return
        tag = step.element.tag
        if not step.is_end:
            line: Any = step.element.sourceline  # the stub has no type for it
            self._line = line or self._line
        if tag == "br":
            self._widen("" if step.is_end else "\n")
        elif tag in _CELLS:
            self._take_cell(step)
        elif tag in _BLOCKS:
            self._widen("\n" if tag in _TIGHT else "\n\n")
            self._is_parted = self._is_parted or tag not in _TIGHT | _PLAIN
        if tag == "tr":
            self._take_row(is_end=step.is_end)
        if tag == "pre":
            self._n_pre += -1 if step.is_end else 1
        if tag in _HEADINGS:
            self._take_heading(int(tag[1]), is_end=step.is_end)

    def _take_row(self, *, is_end: bool) -> None:
        if not is_end:
            self._rows.append(_Row(self._length))
        elif self._length > max((row := self._rows.pop()).start, self._row_end):
            self._n_tabs_before = self._n_tabs + max(row.n_columns - 1, 0)
            self._row_end = self._length
        self._n_tabs = 0

    def _take_cell(self, step: _Step) -> None:
        self._widen("\t")
        if self._rows and not step.is_end:
            row = self._rows[-1]
            self._n_tabs += row.n_columns
            row.n_columns = _columns(step.element)

    def _take_heading(self, level: int, *, is_end: bool) -> None:
        if not is_end:
            self._heading_start = len(self._parts)
            return
        if self._heading_start is None:
            return
        written = "".join(self._parts[self._heading_start :])
        self._heading_start = None
        title = " ".join(written.split())
        if title:
            start = self._length - len(written.lstrip("\n\t "))
            self._headings.append(Heading(start, level, title))

    def _write_text(self, text: str) -> None:
        for number, line in enumerate(text.replace("\r", "\n").split("\n")):
            if number:
                self._line += 1
                self._gap = self._gap + "\n" if self._n_pre else _wider(self._gap, " ")
            if self._n_pre and line:
                self._write(line)
            elif not self._n_pre:
                self._write_collapsed(line)

    def _write_collapsed(self, line: str) -> None:
        collapsed = _COLLAPSIBLE.sub(" ", line)
        if collapsed.startswith(" "):
            self._widen(" ")
        if stripped := collapsed.strip(" "):
            self._write(stripped)
            if collapsed.endswith(" "):
                self._widen(" ")

    def _widen(self, gap: str) -> None:
        """Ask for white space before the next text; the widest that was asked for is written."""
        self._gap = _wider(self._gap, gap)

    def _write(self, text: str) -> None:
        if gap := self._whole_gap():
            self._parts.append(gap)
            self._length += len(gap)
        if not self._source_lines or self._source_lines[-1].line != self._line:
            self._source_lines.append(SourceLine(self._length, self._line))
        self._gap, self._n_tabs, self._n_tabs_before, self._is_parted = "", 0, 0, False
        self._parts.append(text)
        self._length += len(text)

    def _whole_gap(self) -> str:
        """Return what to write before the next text: the gap, with a tab for each column that is passed over."""
        tabs, before = ("\t" * min(n, _MOST_TABS) for n in (self._n_tabs, self._n_tabs_before))
        if not self._length:
            return tabs
        # A paragraph does not part a cell from its row, nor that from the next; a heading, a list or a table does.
        if self._rows and self._rows[-1].start == self._length:
            is_next = self._row_end == self._length and not self._is_parted
            return before + ("\n" if is_next else self._gap) + tabs
        is_edge = self._n_tabs > 0 and not self._is_parted
        return before + (tabs if is_edge else _wider(self._gap, tabs))


def _wider(one: str, other: str) -> str:
    """Return the white space that sets more apart: line breaks before tabs before spaces."""
    return max(one, other, key=lambda gap: (gap.count("\n"), gap.count("\t"), len(gap)))


def _columns(cell: etree._Element) -> int:
    """Return how many columns a cell takes."""
    said = cell.get("colspan", "").strip()
    return min(max(int(said[:4]), 1), _MOST_TABS) if said.isascii() and said.isdecimal() else 1
