import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from index import runtime
from index.errors import ModelDamaged, ModelUnsupported
from index.model_files import embedded_folder
from index.runtime import compile_bert
from index.tokens import read_tokenizer
from index.weights import read_weights
from tests.tiny import CONFIG, bert_tensors, write_bert, write_weights


@dataclass
class Tokens:
    ids: list[int]
    type_ids: list[int]


def random_tokens(*lengths):
    random = np.random.default_rng(1)
    return [
        Tokens(random.integers(0, CONFIG["vocab_size"], length).tolist(), random.integers(0, 2, length).tolist())
        for length in lengths
    ]


def compiled(folder):
    return compile_bert(folder, read_weights(folder))


def states_of(bert, sequences):
    """The states in the order of the sequences."""
    found = dict(bert.hidden_states(sequences))
    return [found[index] for index in range(len(sequences))]


@pytest.fixture
def in_float32(monkeypatch):
    """Whatever the CPU, so that a small difference means an error."""
    monkeypatch.setattr(runtime, "_precision", lambda core: "f32")


@pytest.mark.model
@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_hidden_states_are_those_of_transformers(tmp_path, activation):
    import torch
    from transformers import BertModel

    folder = write_bert(tmp_path, config=CONFIG | {"hidden_act": activation})
    reference = BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    sequences = random_tokens(1, 2, 15, 16, 17, 33, 40)
    for sequence, states in zip(sequences, states_of(compiled(folder), sequences), strict=True):
        with torch.no_grad():
            expected = reference(torch.tensor([sequence.ids]), token_type_ids=torch.tensor([sequence.type_ids]))
        assert states == pytest.approx(expected.last_hidden_state[0].numpy(), abs=2e-5)


def test_the_precision_of_this_cpu_keeps_the_direction_of_every_state(tmp_path, monkeypatch):
    sequences = random_tokens(5, 20, 40)
    folder = write_bert(tmp_path)
    found = np.concatenate(states_of(compiled(folder), sequences))
    monkeypatch.setattr(runtime, "_precision", lambda core: "f32")
    exact = np.concatenate(states_of(compiled(folder), sequences))
    cosines = (found * exact).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(exact, axis=1)
    assert cosines.min() > 0.999


@pytest.mark.usefixtures("in_float32")
def test_a_sequence_has_the_same_states_in_any_company(tmp_path):
    bert = compiled(write_bert(tmp_path))
    sequences = random_tokens(3, 40, 39, 7, 7, 31, *range(1, 30))
    together = states_of(bert, sequences)
    for sequence, states in zip(sequences, together, strict=True):
        assert states == pytest.approx(states_of(bert, [sequence])[0], abs=1e-5)
        assert states.shape == (len(sequence.ids), CONFIG["hidden_size"])


def test_no_sequences_have_no_states(tmp_path):
    assert states_of(compiled(write_bert(tmp_path)), []) == []


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize(("prefix", "dtype", "precision"), [("bert.", "F32", 1e-6), ("", "F16", 0.05)])
def test_prefix_and_storage_make_no_difference(tmp_path, prefix, dtype, precision):
    plain = compiled(write_bert(tmp_path / "plain"))
    other = compiled(write_bert(tmp_path / "other", prefix=prefix, dtype=dtype))
    sequences = random_tokens(12)
    assert states_of(plain, sequences)[0] == pytest.approx(states_of(other, sequences)[0], abs=precision)


def test_several_threads_get_each_their_own_states(tmp_path):
    bert = compiled(write_bert(tmp_path))
    sequences = random_tokens(*range(1, 41))
    alone = states_of(bert, sequences)
    with ThreadPoolExecutor(4) as pool:
        for states in pool.map(lambda _: states_of(bert, sequences), range(12)):
            assert all(np.array_equal(some, other) for some, other in zip(states, alone, strict=True))


def test_sequences_of_like_length_are_run_together():
    assert list(runtime._batches([98, 256, 187, 150, 214])) == [[1, 4], [2, 3], [0]]
    assert list(runtime._batches([7] * 10)) == [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9]]


def test_a_sequence_beyond_the_last_position_is_refused(tmp_path):
    with pytest.raises(ValueError, match="41 tokens"):
        states_of(compiled(write_bert(tmp_path)), random_tokens(41))


@pytest.mark.parametrize("tokens", [Tokens([100], [0]), Tokens([0], [2])])
def test_a_token_that_the_model_does_not_know_is_refused(tmp_path, tokens):
    with pytest.raises(ModelDamaged, match="tokenizer"):
        states_of(compiled(write_bert(tmp_path)), [tokens])


@pytest.mark.parametrize(
    "setting",
    [
        {"model_type": "distilbert"},
        {"position_embedding_type": "relative_key"},
        {"hidden_act": "silu"},
        {"is_decoder": True},
    ],
)
def test_another_kind_of_model_is_unsupported(tmp_path, setting):
    write_bert(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | setting))
    with pytest.raises(ModelUnsupported, match=str(next(iter(setting.values())))):
        compiled(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        "{",
        "[" * 100_000,
        '{"model_type": "bert"}',
        json.dumps(CONFIG | {"hidden_size": "wide"}),
        json.dumps(CONFIG | {"hidden_size": -4}),
        json.dumps(CONFIG | {"num_hidden_layers": 0}),
        json.dumps(CONFIG | {"num_attention_heads": 0}),
    ],
)
def test_settings_that_cannot_be_read_are_damage(tmp_path, content):
    write_bert(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelDamaged, match=r"config\.json"):
        compiled(tmp_path)


@pytest.mark.parametrize("name", sorted(bert_tensors()))
def test_every_tensor_is_needed_in_its_shape(tmp_path, name):
    tensors = bert_tensors()
    write_bert(tmp_path)
    write_weights(tmp_path, {other: values for other, values in tensors.items() if other != name})
    with pytest.raises(ModelDamaged, match=name):
        compiled(tmp_path)
    write_weights(tmp_path, tensors | {name: tensors[name][:-1]})
    with pytest.raises(ModelDamaged, match=name):
        compiled(tmp_path)


def test_a_width_that_the_heads_do_not_share_evenly_is_damage(tmp_path):
    folder = write_bert(tmp_path, config=CONFIG | {"num_attention_heads": 5})
    with pytest.raises(ModelDamaged, match="5 heads"):
        compiled(folder)


def test_the_runtime_imports_neither_torch_nor_what_reports_to_the_makers_of_openvino(tmp_path):
    program = (
        "import sys, index.runtime; print(*(name for name, module in sys.modules.items() if module"
        " and name.split('.')[0] in ('torch', 'transformers', 'openvino_telemetry')))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"HOME": str(tmp_path)}
    )
    assert run.stdout.strip() == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.model
def test_multiplied_in_8_bits_the_states_keep_their_direction(monkeypatch):
    monkeypatch.setattr(runtime, "_has_amx", lambda: False)
    folder = embedded_folder()
    weights, tokenizer = read_weights(folder), read_tokenizer(folder)
    texts = ["The Forth Bridge was opened on 4 March 1890.", "Bees.", "In winter the museum opens at ten. " * 12]
    sequences = [tokenizer.encode(text) for text in texts]
    exact, quantized = (
        states_of(compile_bert(folder, weights, may_quantize=may_quantize), sequences) for may_quantize in (False, True)
    )
    for one, other in zip(exact, quantized, strict=True):
        cosines = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
        assert cosines.min() > 0.98
        assert not np.array_equal(one, other)


def test_where_bfloat16_is_faster_nothing_is_multiplied_in_8_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "_has_amx", lambda: True)
    write_bert(tmp_path)
    weights, sequences = read_weights(tmp_path), random_tokens(5, 9)
    plain, other = (
        states_of(compile_bert(tmp_path, weights, may_quantize=may_quantize), sequences)
        for may_quantize in (False, True)
    )
    assert all(map(np.array_equal, plain, other))


@pytest.mark.parametrize(
    ("flags", "has_amx"),
    [("flags : fpu avx512f amx_bf16 amx_tile", True), ("flags : fpu avx512_bf16 avx512_fp16", False), (None, False)],
)
def test_amx_is_what_the_kernel_says(tmp_path, flags, has_amx):
    if flags:
        (tmp_path / "cpuinfo").write_text(f"processor : 0\n{flags}\n", encoding="utf-8")
    assert runtime._has_amx(tmp_path / "cpuinfo") is has_amx
