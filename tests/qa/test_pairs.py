import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from index.encoder import open_encoder
from index.errors import ModelDamaged
from qa.pairs import PairMaker
from qa.readers import embedded_folder


@pytest.fixture(scope="module")
def maker():
    return PairMaker(embedded_folder(), max_tokens=128)


@pytest.fixture(scope="module")
def naming_maker():
    return PairMaker(embedded_folder(), max_tokens=128, names_cells=True)


def words(maker, pair):
    return [maker._plain.id_to_token(token) for token in pair.ids]


def test_question_context_and_text_are_one_sequence(maker):
    (pair,) = maker.pairs("Who met?", "News", "Ann met Bob.")
    assert words(maker, pair) == "[CLS] who met ? [SEP] news ann met bob . [SEP]".split()
    assert pair.type_ids == (0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1)
    assert (pair.first, pair.text) == (6, slice(6, 10))


def test_offsets_count_from_the_texts_start_and_leave_the_context_out(maker):
    text = "Ann met Bob."
    (pair,) = maker.pairs("Who met?", "News › Ann", text)
    assert [text[start:end] for start, end in pair.offsets] == ["Ann", "met", "Bob", "."]
    assert pair.span(0, 2).of(text) == "Ann met Bob"


def test_a_long_text_is_read_in_windows_that_overlap_and_leave_nothing_out(maker):
    text = " ".join(f"word{number}" for number in range(300))
    pairs = maker.pairs("Which word?", "", text)
    assert len(pairs) > 1
    assert all(len(pair.ids) <= 128 for pair in pairs)
    covered = {offset for pair in pairs for start, end in pair.offsets for offset in range(start, end)}
    assert covered == {offset for offset, character in enumerate(text) if character != " "}
    assert all(one.offsets[-1, 1] > other.offsets[0, 0] for one, other in pairwise(pairs))


def test_a_question_that_is_too_long_is_cut_and_the_text_is_not(maker):
    (pair,) = maker.pairs("why " * 500, "", "Ann met Bob.")
    assert len(pair.ids) == 1 + 64 + 1 + 4 + 1
    assert len(pair.offsets) == 4


@pytest.mark.parametrize("text", ["", " \n "])
def test_a_text_without_tokens_has_a_pair_without_a_text(maker, text):
    (pair,) = maker.pairs("Who?", "", text)
    assert len(pair.offsets) == 0
    assert pair.ids[pair.text] == ()


@given(st.text(max_size=200), st.text(max_size=30), st.text(max_size=40))
@example("롱", "", "")
def test_every_offset_is_inside_the_text_and_in_order(maker, text, context, question):
    for pair in maker.pairs(question, context, text):
        assert len(pair.ids) == len(pair.type_ids) <= 128
        starts, ends = pair.offsets[:, 0].tolist(), pair.offsets[:, 1].tolist()
        # A character that is taken apart, as a Korean syllable is, belongs to several tokens.
        assert starts == sorted(starts)
        assert ends == sorted(ends)
        assert all(0 <= start < end <= len(text) for start, end in zip(starts, ends, strict=True))


def test_tokens_are_those_of_the_encoder_so_that_passages_fit(maker):
    text = "Naïve café, 7 February 2022: 😀 “quoted”."
    (pair,) = maker.pairs("?", "", text)
    assert [tuple(offset) for offset in pair.offsets] == [tuple(offset) for offset in open_encoder().token_spans(text)]


TABLE = "| Boat | Hour | Deposit |\n|---|---|---|\n| Canoe | £14 | £40 |"


def test_names_before_a_tables_cells_are_read_and_stand_nowhere(maker, naming_maker):
    (pair,) = naming_maker.pairs("How much?", "Hire", TABLE)
    (without,) = maker.pairs("How much?", "Hire", TABLE)
    assert not without.is_name.any()
    assert pair.offsets[~pair.is_name].tolist() == without.offsets.tolist()
    assert " ".join(words(naming_maker, pair)).endswith("deposit , canoe : £ ##40 | [SEP]")
    assert pair.offsets[pair.is_name].tolist() == [[TABLE.index("£14")] * 2] * 4 + [[TABLE.index("£40")] * 2] * 4
    last = int(np.flatnonzero(pair.offsets[:, 1] == TABLE.index("£40") + 3)[0])
    assert pair.span(last - 1, last).of(TABLE) == "£40"


@given(st.text(st.sampled_from("a1|- \t\n:"), max_size=120))
def test_with_names_every_window_covers_what_it_covers_without(naming_maker, text):
    maker = naming_maker
    covered = {at for pair in maker.pairs("?", "", text) for start, end in pair.offsets for at in range(start, end)}
    assert covered == {at for at, character in enumerate(text) if not character.isspace()}
    for pair in maker.pairs("?", "", text):
        assert (np.diff(pair.offsets[:, 0]) >= 0).all()
        assert (np.diff(pair.offsets[:, 1]) >= 0).all()


def test_a_folder_without_a_tokenizer_is_a_named_error(tmp_path):
    with pytest.raises(ModelDamaged, match=r"tokenizer\.json"):
        PairMaker(tmp_path)


def test_a_tokenizer_without_a_token_to_say_no_answer_by_is_refused(tmp_path):
    stored = json.loads((embedded_folder() / "tokenizer.json").read_text(encoding="utf-8"))
    stored["post_processor"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(ModelDamaged, match="no answer"):
        PairMaker(tmp_path)


def test_a_separator_that_is_written_in_a_document_is_no_separator(maker):
    (pair,) = maker.pairs("Who?", "", "Ann [SEP] met Bob.")
    assert words(maker, pair).count("[SEP]") == 2
