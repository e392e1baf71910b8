"""How much faster is the compiled encoder than sentence-transformers, and how near are its vectors?

    python -m benchmarks.runtime [DOCUMENTS] [--passages 160] [--rounds 5]

Passages of a folder of documents as Citespan cuts and encodes them. Both encode the same texts in turn, so
that other load on the machine meets both; the ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import logging
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from index.collection import read_file, scan
from index.encoder import ModelEncoder, open_encoder
from index.model_files import EMBEDDED, find_encoder
from index.parsing import FORMATS, parse
from index.passages import PassageSettings, cut, encoded_text
from index.sentence_models import ReferenceModel

_QUESTION = "When was the bridge over the river opened by the Prince of Wales?"
_QUESTIONS = 20
"""Asked one by one in a round."""
_STARTS = 3
_MODELS = ("CompiledModel", "ReferenceModel")
_START = f"""
from index.model_files import embedded_folder
from index.sentence_models import {{model}} as Model
Model(embedded_folder()).encode_questions([{_QUESTION!r}])
"""


def cut_passages(documents: Path, n_passages: int) -> list[str]:
    """Return the texts that are encoded for the first passages of a folder's documents."""
    tokens, settings = open_encoder().token_spans, PassageSettings()
    texts: list[str] = []
    for file in scan(documents, suffixes=FORMATS).files:
        found = read_file(file)
        document = parse(found.content, doc_id=file.doc_id, sha256=found.sha256)
        texts += [encoded_text(document, piece, tokens, settings) for piece in cut(document, tokens, settings)]
    return texts[:n_passages]


def seconds(step: Callable[[], object]) -> float:
    """Return how long a step takes."""
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def compare(compiled: Callable[[], object], reference: Callable[[], object], rounds: int) -> NDArray[np.float64]:
    """Return the seconds that each takes, (rounds, 2), the two in turn."""
    compiled(), reference()
    return np.array([(seconds(compiled), seconds(reference)) for _ in range(rounds)])


def report(label: str, timings: NDArray[np.float64], form: Callable[[float], str]) -> None:
    """Print the medians and the median ratio of one comparison."""
    compiled, reference = (form(float(median)) for median in np.median(timings, axis=0))
    ratio = statistics.median(timings[:, 1] / timings[:, 0])
    click.echo(f"{label:24} compiled {compiled:>16}   reference {reference:>16}   ratio {ratio:.2f}")


def cpu_features() -> str:
    """Return those of the features that matter here which the CPU has; Linux on x86 says them."""
    path = Path("/proc/cpuinfo")
    known = path.read_text(encoding="utf-8").split() if path.exists() else []
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    return " ".join(name for name in wanted if name in known) or "features unknown"


@click.command()
@click.argument("documents", default="documents", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--passages", default=160, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(documents: Path, passages: int, rounds: int) -> None:
    """Print throughput, latency, cold start and cosine."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("index.runtime").setLevel(logging.INFO)  # says the precision
    click.echo(f"{platform.machine()}: {cpu_features()}")
    folder, fingerprint = find_encoder(EMBEDDED, offline=True)
    compiled = ModelEncoder(folder, fingerprint=fingerprint)
    reference = ModelEncoder(folder, fingerprint=fingerprint, load=ReferenceModel)
    texts = cut_passages(documents, passages)
    n_tokens = sum(len(compiled.token_spans(text)) for text in texts)
    click.echo(f"{len(texts)} passages of {n_tokens / len(texts):.0f} tokens on average")

    timings = compare(lambda: compiled.encode_passages(texts), lambda: reference.encode_passages(texts), rounds)
    report("many passages", timings, lambda median: f"{len(texts) / median:.1f} a second")
    timings = compare(
        lambda: [compiled.encode_questions([_QUESTION]) for _ in range(_QUESTIONS)],
        lambda: [reference.encode_questions([_QUESTION]) for _ in range(_QUESTIONS)],
        rounds,
    )
    report("one question", timings, lambda median: f"{median / _QUESTIONS * 1000:.2f} ms")
    starts = [[sys.executable, "-c", _START.format(model=model)] for model in _MODELS]
    timings = compare(
        lambda: subprocess.run(starts[0], check=True, capture_output=True),
        lambda: subprocess.run(starts[1], check=True, capture_output=True),
        _STARTS,
    )
    report("process to first vector", timings, lambda median: f"{median:.2f} s")
    cosines = (compiled.encode_passages(texts) * reference.encode_passages(texts)).sum(axis=1)
    click.echo(f"cosine of the passages' vectors: mean {cosines.mean():.6f}, least {cosines.min():.6f}")


if __name__ == "__main__":
    main()
