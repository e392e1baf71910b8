import shutil

import numpy as np
import pytest

from index import model_files
from index.encoder import EMBEDDED, open_encoder
from index.errors import EncoderDamaged, EncoderMissing


@pytest.fixture(scope="module")
def encoder():
    return open_encoder(EMBEDDED)


@pytest.fixture
def copied_model(tmp_path):
    return shutil.copytree(model_files.embedded_folder(), tmp_path / "model")


@pytest.mark.model
def test_the_embedded_encoder_gives_unit_vectors_that_know_meaning(encoder):
    vectors = encoder.encode_passages(
        ["A man is eating food.", "Someone has a meal.", "The rocket left the launch pad."]
    )
    assert vectors.shape == (3, encoder.dimension) == (3, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3


@pytest.mark.model
def test_a_text_has_the_same_vector_in_any_company(encoder):
    texts = ["short", "a much longer text about many things " * 20, "middle length of a text"]
    together = encoder.encode_passages(texts)
    alone = np.concatenate([encoder.encode_passages([text]) for text in texts])
    assert together == pytest.approx(alone, abs=1e-5)


@pytest.mark.model
def test_nothing_encoded_is_an_empty_matrix(encoder):
    assert encoder.encode_passages([]).shape == (0, 384)


def test_tokens_are_counted_whole_whatever_truncation_the_tokenizers_file_carries(encoder):
    assert len(encoder.token_spans("word " * 1000)) == 1000


def test_token_spans_are_code_points_of_the_text(encoder):
    text = "Crème 😀 brûlée, 3.5!"
    assert [text[start:end] for start, end in encoder.token_spans(text)][-5:] == [",", "3", ".", "5", "!"]


def test_the_embedded_weights_are_the_upstream_ones():
    folder = model_files.embedded_folder()
    assert model_files.weights_sha256(folder) == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def test_other_weights_under_the_embedded_name_are_refused(copied_model, monkeypatch):
    with (copied_model / "model.safetensors").open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"\xff")
    monkeypatch.setattr(model_files, "embedded_folder", lambda: copied_model)
    with pytest.raises(EncoderDamaged, match="reinstall"):
        open_encoder(EMBEDDED)


def test_a_local_folder_is_an_encoder_and_its_fingerprint_is_that_of_its_content(copied_model, encoder):
    assert open_encoder(str(copied_model)).fingerprint == encoder.fingerprint
    (copied_model / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    assert open_encoder(str(copied_model)).fingerprint != encoder.fingerprint


@pytest.mark.model
def test_a_local_folder_encodes_with_its_own_limit(copied_model):
    (copied_model / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    local = open_encoder(str(copied_model))
    assert local.max_tokens == 126
    assert local.encode_questions(["When?"]).shape == (1, 384)


def test_a_folder_that_is_no_model_is_a_clear_error(tmp_path):
    with pytest.raises(EncoderDamaged, match=r"model\.safetensors"):
        open_encoder(str(tmp_path))


@pytest.mark.parametrize("name", ["no-such/model", "no such folder", "../../nothing"])
def test_an_unknown_name_says_how_the_network_could_be_allowed(name):
    with pytest.raises(EncoderMissing, match="--hub"):
        open_encoder(name)
