import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from index.errors import InvalidParameter, ReaderDamaged, ReaderMissing
from index.records import Passage, Span
from qa.confidence import UNCALIBRATED
from qa.pairs import PairMaker
from qa.readers import CALIBRATION, EMBEDDED, MANIFEST, CompiledSpanModel, check_manifest, embedded_folder, open_reader

pytestmark = pytest.mark.model

ROOT = Path(__file__).parent.parent.parent
TEXT = "The Forth Bridge was opened on 4 March 1890 by the Prince of Wales. It carries a railway."


def passage(text=TEXT, number=1):
    return Passage(number, f"{number}.txt", f"{number}", "text/plain", Span(0, len(text)), text, "")


@pytest.fixture(scope="module")
def reader():
    return open_reader()


def tiny_model(folder, family):
    """A folder with a tiny model of random weights for extractive question answering, and the right tokenizer."""
    import transformers

    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    sizes = {"vocab_size": 30522, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.AutoConfig.for_model(family, **sizes, intermediate_size=64)
    model = transformers.AutoModelForQuestionAnswering.from_config(config)
    model.save_pretrained(folder)
    shutil.copy(embedded_folder() / "tokenizer.json", folder)
    return model.eval()


def expected_scores(model, pair):
    import torch

    with torch.inference_mode():
        found = model(input_ids=torch.tensor([pair.ids]), token_type_ids=torch.tensor([pair.type_ids]))
    return found.start_logits[0].numpy(), found.end_logits[0].numpy()


def test_the_reader_that_ships_answers_with_a_short_span(reader):
    (reading,) = reader.read("When was the Forth Bridge opened?", [passage()])
    assert reading.spans[0].span.of(TEXT) == "4 March 1890"
    assert reading.answerability > 0


def test_a_passage_reads_the_same_alone_and_among_others(reader):
    others = [passage("Cats sleep. " * n, n) for n in range(2, 9)]
    alone = reader.read("When was the Forth Bridge opened?", [passage()])[0]
    among = reader.read("When was the Forth Bridge opened?", [*others, passage()])[-1]
    assert among.spans[0].span == alone.spans[0].span
    assert among.spans[0].score == pytest.approx(alone.spans[0].score, abs=0.2)
    assert among.no_answer == pytest.approx(alone.no_answer, abs=0.2)


def test_what_ships_is_small_and_has_no_pickle():
    files = list(embedded_folder().iterdir())
    assert sum(path.stat().st_size for path in files) <= 48 * 2**20
    assert {path.suffix for path in files} == {".json", ".safetensors", ".md"}


def test_the_calibration_that_ships_names_the_articles_it_is_reported_on():
    stored = json.loads((embedded_folder() / CALIBRATION).read_text(encoding="utf-8"))
    assert len(stored["reported_on_articles"]) == 8
    assert not set(stored["reported_on_articles"]) & set(stored["fitted_on_articles"])
    assert 0 < stored["min_confidence"] < 1


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", CALIBRATION])
def test_a_file_that_is_changed_or_missing_is_a_named_error(tmp_path, name):
    folder = tmp_path / "reader"
    shutil.copytree(embedded_folder(), folder)
    check_manifest(folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ReaderDamaged, match=name):
        check_manifest(folder)
    (folder / name).unlink()
    with pytest.raises(ReaderDamaged, match="incomplete"):
        check_manifest(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", None])
def test_a_broken_manifest_is_a_named_error(tmp_path, content):
    if content is not None:
        (tmp_path / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(ReaderDamaged):
        check_manifest(tmp_path)


def reads_names(reader):
    return reader.maker.pairs("?", "", "| a | b | c |\n|-|-|-|\n| x | 1 | 2 |")[0].is_name.any()


def test_names_before_cells_are_read_by_who_learnt_it_and_not_by_whoever_is_calibrated(tmp_path, reader):
    tiny_model(tmp_path, "bert")
    shutil.copyfile(embedded_folder() / CALIBRATION, tmp_path / CALIBRATION)
    assert reads_names(reader)
    assert not reads_names(open_reader(str(tmp_path)))


@pytest.mark.parametrize("family", ["bert", "electra"])
def test_a_model_of_transformers_scores_as_transformers_does(tmp_path, family):
    model = tiny_model(tmp_path, family)
    reader = open_reader(str(tmp_path))
    maker = PairMaker(tmp_path)
    pairs = [maker.pairs("When?", "Bridges", text)[0] for text in (TEXT, "Short.", "")]
    for pair, scores in zip(pairs, reader._model.scores(pairs), strict=True):
        start, end = expected_scores(model, pair)
        tolerance = 0.02 * float(np.abs(start).max())  # bfloat16, where the CPU computes in it
        assert np.allclose(scores.start, start[pair.text], atol=tolerance)
        assert np.allclose(scores.end, end[pair.text], atol=tolerance)
        assert scores.null == pytest.approx(float(start[0] + end[0]), abs=2 * tolerance)
    assert isinstance(reader._model, CompiledSpanModel) == (family == "bert")
    assert reader.calibration == UNCALIBRATED
    assert not reads_names(reader)
    with pytest.raises(InvalidParameter):
        reader.calibration.threshold_for(0.1)


@pytest.mark.parametrize("family", ["bert", "electra"])
def test_a_model_without_a_trained_head_is_refused(tmp_path, family):
    from safetensors.numpy import load_file, save_file

    tiny_model(tmp_path, family)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file({n: t for n, t in tensors.items() if not n.startswith("qa_outputs")}, tmp_path / "model.safetensors")
    with pytest.raises(ReaderDamaged, match="qa_outputs"):
        open_reader(str(tmp_path))


def test_pickled_weights_are_never_loaded(tmp_path):
    tiny_model(tmp_path, "electra")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ReaderDamaged):
        open_reader(str(tmp_path))


def test_a_name_that_is_nowhere_is_a_named_error(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ReaderMissing, match="--hub"):
        open_reader("nobody/nothing")


def test_a_folder_without_a_model_is_a_named_error(tmp_path):
    with pytest.raises(ReaderDamaged):
        open_reader(str(tmp_path))


def test_reading_with_what_ships_imports_no_torch():
    code = (
        "import sys; from qa.readers import open_reader; from tests.qa.test_readers import passage;"
        "open_reader().read('When?', [passage()]);"
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert open_reader().name == EMBEDDED
