import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from index import sentence_models
from index.encoder import ModelEncoder
from index.errors import EncoderDamaged, EncoderError, ModelUnsupported
from index.model_files import embedded_folder
from index.sentence_models import CompiledModel, ReferenceModel, load_model
from tests.tiny import bert_tensors, write_bert, write_weights

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted((ROOT / "documents").rglob("*.md"))
TEXTS = [
    "a",
    "When?",
    "The Forth Bridge was opened on 4 March 1890 by the Prince of Wales.",
    "Crème brûlée 😀, naïve façade — “quoted” … ½ ﬁ",
    "東京は日本の首都です。 Москва — столица России. القاهرة",
    "\u202eright to left\u202c and a\u0301 combining accent",
    "aardvark-antidisestablishmentarianism_snake_case camelCase 3.14159e-10",
    "x" * 5000,
    "word " * 1000,
    "",
    " \n\t ",
    *(path.read_text(encoding="utf-8")[:length] for path, length in zip(DOCUMENTS, (200, 600, 5000) * 9, strict=False)),
]


class StubbedReference(ReferenceModel):
    """Does not import torch, nor anything else."""

    def __init__(self, folder):
        pass


def encoder_of(folder, load=load_model):
    return ModelEncoder(folder, fingerprint="", load=load)


def cosines(folder, texts=TEXTS):
    """Of compiled and reference vectors, passages and questions."""
    compiled, reference = encoder_of(folder, CompiledModel), encoder_of(folder, ReferenceModel)
    assert (compiled.dimension, compiled.max_tokens) == (reference.dimension, reference.max_tokens)
    return np.concatenate(
        [
            (compiled.encode_passages(texts) * reference.encode_passages(texts)).sum(axis=1),
            (compiled.encode_questions(texts) * reference.encode_questions(texts)).sum(axis=1),
        ]
    )


def settings_of(folder, name):
    return json.loads((folder / name).read_text())


@pytest.fixture
def copied_model(tmp_path):
    return shutil.copytree(embedded_folder(), tmp_path / "model")


@pytest.fixture
def tiny_model(tmp_path):
    """The embedded encoder's settings and tokenizer, around a BERT that is small and random."""
    folder = tmp_path / "tiny"
    shutil.copytree(embedded_folder(), folder, ignore=shutil.ignore_patterns("model.safetensors", "config.json"))
    shutil.copy(embedded_folder() / "1_Pooling" / "config.json", folder / "1_Pooling")
    config = settings_of(embedded_folder(), "config.json") | {
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "hidden_size": 16,
        "intermediate_size": 24,
    }
    return write_bert(folder, config=config)


@pytest.mark.model
def test_the_embedded_encoder_gives_the_vectors_of_sentence_transformers():
    assert cosines(embedded_folder()).min() > 0.9999


@pytest.mark.model
def test_first_token_pooling_and_prompts_and_a_limit_are_those_of_sentence_transformers(copied_model):
    pooling = {"word_embedding_dimension": 384, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (copied_model / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (copied_model / "sentence_bert_config.json").write_text('{"max_seq_length": 40, "do_lower_case": false}')
    prompts = {"prompts": {"query": "Represent this question: ", "document": "passage: ", "other": "x"}}
    (copied_model / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    assert cosines(copied_model).min() > 0.9999
    compiled = encoder_of(copied_model, CompiledModel)
    assert (compiled.encode_passages(["tea"]) @ compiled.encode_questions(["tea"]).T).item() < 0.99


@pytest.mark.model
def test_a_folder_that_sentence_transformers_writes_today_is_compiled(tmp_path):
    ReferenceModel(embedded_folder())._model.save(str(tmp_path))
    assert isinstance(load_model(tmp_path), CompiledModel)
    assert cosines(tmp_path, TEXTS[:5]).min() > 0.9999


def test_the_plain_folder_is_compiled(tiny_model):
    assert isinstance(load_model(tiny_model), CompiledModel)
    assert encoder_of(tiny_model).max_tokens == 254


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", {"model_type": "roberta"}),
        ("sentence_bert_config.json", {"max_seq_length": 256, "do_lower_case": True}),
        ("sentence_bert_config.json", {"max_seq_length": 256, "model_args": {}}),
        ("1_Pooling/config.json", {"pooling_mode": "max"}),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}),
        ("1_Pooling/config.json", {}),
        ("1_Pooling/config.json", []),
        ("modules.json", {}),
        ("modules.json", []),
        ("modules.json", [{"path": "", "type": "sentence_transformers.models.Transformer"}]),
        (
            "modules.json",
            [
                {"path": "", "type": "sentence_transformers.models.Transformer"},
                {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                {"path": "2_Dense", "type": "sentence_transformers.models.Dense"},
            ],
        ),
        (
            "modules.json",
            [
                {"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"},
                {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            ],
        ),
        (
            "modules.json",
            [
                {"path": "", "type": "custom.Transformer"},
                {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            ],
        ),
    ],
)
def test_a_model_that_does_more_than_is_known_is_left_to_sentence_transformers(tiny_model, monkeypatch, name, content):
    (tiny_model / name).write_text(json.dumps(content))
    with pytest.raises(ModelUnsupported):
        CompiledModel(tiny_model)
    monkeypatch.setattr(sentence_models, "ReferenceModel", StubbedReference)
    assert isinstance(load_model(tiny_model), StubbedReference)


def test_a_prompt_that_is_not_pooled_is_left_to_sentence_transformers(tiny_model):
    (tiny_model / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean", "include_prompt": false}')
    CompiledModel(tiny_model)
    (tiny_model / "config_sentence_transformers.json").write_text('{"prompts": {"query": "Q: "}}')
    with pytest.raises(ModelUnsupported, match="pools"):
        CompiledModel(tiny_model)


def test_without_a_limit_of_its_own_the_tokenizers_counts_and_none_goes_beyond_the_last_position(tiny_model):
    (tiny_model / "sentence_bert_config.json").write_text("{}")
    (tiny_model / "tokenizer_config.json").write_text('{"model_max_length": 300}')
    assert encoder_of(tiny_model).max_tokens == 298
    (tiny_model / "tokenizer_config.json").write_text('{"model_max_length": 1000000000000000019884624838656}')
    assert encoder_of(tiny_model).max_tokens == 510
    assert encoder_of(tiny_model).encode_passages(["word " * 1000]).shape == (1, 16)


def test_passages_keep_their_order_and_do_not_depend_on_their_company(tiny_model):
    encoder = encoder_of(tiny_model)
    together = encoder.encode_passages(TEXTS)
    alone = np.concatenate([encoder.encode_passages([text]) for text in TEXTS])
    # In bfloat16 what is padded may be rounded otherwise.
    assert (together * alone).sum(axis=1).min() > 0.9999
    assert together == pytest.approx(encoder.encode_passages(TEXTS[::-1])[::-1], abs=0.01)


def test_rows_have_length_1_in_float32(tiny_model):
    vectors = encoder_of(tiny_model).encode_passages(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)


def damage_weights(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-1])


def swap_vocabulary(folder):
    """Weights for fewer words than the tokenizer knows."""
    config = settings_of(folder, "config.json") | {"vocab_size": 1000}
    write_bert(folder, config=config)


def damage_config(folder):
    (folder / "config.json").write_text("{")


def put_nan(folder):
    tensors = bert_tensors(settings_of(folder, "config.json"))
    tensors["encoder.layer.0.output.dense.bias"][3] = np.nan
    write_weights(folder, tensors)


@pytest.mark.parametrize("damage", [damage_weights, swap_vocabulary, damage_config, put_nan])
def test_damage_is_named_when_something_is_encoded(tiny_model, damage):
    damage(tiny_model)
    encoder = encoder_of(tiny_model)
    with pytest.raises(EncoderDamaged):
        encoder.encode_passages(["zymurgy"])


def test_vectors_without_a_direction_are_refused(tiny_model):
    tensors = bert_tensors(settings_of(tiny_model, "config.json"))
    for name in ("weight", "bias"):
        tensors[f"encoder.layer.0.output.LayerNorm.{name}"][:] = 0
    write_weights(tiny_model, tensors)
    with pytest.raises(EncoderError, match="direction"):
        encoder_of(tiny_model).encode_passages(["text"])
