"""Opens a reader by its name: the one that ships with Citespan, or any extractive model of transformers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from index.errors import ModelDamaged, ModelMissing, ModelUnsupported, ReaderDamaged, ReaderMissing
from index.model_files import find_folder
from index.records import Passage, Span
from index.runtime import CompiledBert, compile_bert, read_shape
from index.weights import WEIGHTS, Linear, read_weights
from qa.confidence import UNCALIBRATED, load_calibration
from qa.pairs import LEAST_TOKENS, MAX_TOKENS, Pair, PairMaker
from qa.span_reader import MAX_ANSWER_TOKENS, SpanModel, SpanReader, TokenScores

EMBEDDED = "citespan-minilm-l6"
"""The name of the reader that ships with Citespan."""

CALIBRATION = "calibration.json"
NAMES_CELLS = "names_cells"
"""In `config.json`: the reader learnt to read the cells of tables behind their names."""

MANIFEST = "manifest.json"
"""SHA-256 of each file of the reader that ships."""


class CompiledSpanModel:
    """A BERT with heads for start and end, on the compiled runtime.

    A model with a head of its own for "not in this passage" has its score from that; for others it is
    the score of the span that is the first special token, as for SQuAD 2.0 (Devlin et al. 2019, section 4.3).
    """

    def __init__(self, bert: CompiledBert, ends: Linear, null: Linear | None) -> None:
        """Take the layers.

        Args:
            ends: (2, width), start and end.
            null: (1, width), on the first token.
        """
        self._bert = bert
        self._ends = ends
        self._null = null

    @property
    def max_tokens(self) -> int:
        return self._bert.shape.n_positions

    def scores(self, pairs: Sequence[Pair]) -> list[TokenScores]:
        found = {index: self._heads(pairs[index], states) for index, states in self._bert.hidden_states(pairs)}
        return [found[index] for index in range(len(pairs))]

    def _heads(self, pair: Pair, states: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> TokenScores:
        ends = self._ends(states)
        null = float(self._null(states[0])[0]) if self._null else float(ends[0].sum())
        return TokenScores(ends[pair.text, 0], ends[pair.text, 1], null)


def open_reader(
    name: str = EMBEDDED, *, offline: bool = True, max_answer_tokens: int = MAX_ANSWER_TOKENS
) -> SpanReader:
    """Return the reader of a name.

    Args:
        name: `EMBEDDED`, a folder with a model of transformers for extractive question answering, or the
            hub id of one.
        offline: Refuse to ask the hub; a model that was fetched before is found in its cache.
        max_answer_tokens: The longest answer.

    Raises:
        ReaderMissing: There is no such reader.
        ReaderDamaged: Its files are incomplete or not what they should be.
    """
    try:
        folder = embedded_folder() if name == EMBEDDED else find_folder(name, offline=offline)
        if name == EMBEDDED:
            check_manifest(folder)
        # How much 8-bit multiplication costs in F1 was measured for the reader that ships.
        model = _open_model(folder, may_quantize=name == EMBEDDED)
        if model.max_tokens < LEAST_TOKENS:
            raise ReaderDamaged(f"the reader {name!r} takes {model.max_tokens} tokens, and {LEAST_TOKENS} are needed")
        maker = PairMaker(folder, max_tokens=min(model.max_tokens, MAX_TOKENS), names_cells=_names_cells(folder))
        calibration = load_calibration(folder / CALIBRATION) if (folder / CALIBRATION).exists() else UNCALIBRATED
        reader = SpanReader(name, model, maker, calibration=calibration, max_answer_tokens=max_answer_tokens)
        # As long as a sequence gets: what does not fit together shows now, and not at somebody's question.
        reader.read("?", [_trial("so " * MAX_TOKENS)])
    except ModelMissing as error:
        raise ReaderMissing(f"no reader {name!r}: {error}") from error
    except (ModelDamaged, ValueError, IndexError, RuntimeError) as error:
        raise ReaderDamaged(f"the reader {name!r} cannot be used: {error}") from error
    return reader


def _names_cells(folder: Path) -> bool:
    return bool(json.loads((folder / "config.json").read_bytes()).get(NAMES_CELLS))


def _trial(text: str) -> Passage:
    return Passage(0, "", "", "", Span(0, len(text)), text, "")


def embedded_folder() -> Path:
    """Return the folder of the reader that ships."""
    return Path(str(files("qa").joinpath("weights", "reader")))


def check_manifest(folder: Path) -> None:
    """Raise unless every file of a reader is the one that its manifest names.

    Raises:
        ReaderDamaged: A file is missing or another one.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if missing := {WEIGHTS, "config.json", "tokenizer.json", CALIBRATION} - set(manifest):
            raise ReaderDamaged(f"the manifest in {folder} is incomplete, it lacks {', '.join(sorted(missing))}")
        for name, sha256 in manifest.items():
            with (folder / name).open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found != sha256:
                raise ReaderDamaged(f"{folder / name} is not the file that Citespan ships: install Citespan again")
    except (OSError, ValueError, AttributeError) as error:
        raise ReaderDamaged(f"the reader in {folder} is incomplete ({error}): install Citespan again") from error


def _open_model(folder: Path, *, may_quantize: bool) -> SpanModel:
    try:
        read_shape(folder)
    except ModelUnsupported:
        from qa.transformers_model import TransformersSpanModel

        return TransformersSpanModel(folder)
    weights = read_weights(folder)
    bert = compile_bert(folder, weights, may_quantize=may_quantize)
    width, has_null = bert.shape.width, "null_outputs.weight" in weights
    return CompiledSpanModel(
        bert,
        weights.linear("qa_outputs", n_outputs=2, n_inputs=width),
        weights.linear("null_outputs", n_outputs=1, n_inputs=width) if has_null else None,
    )
