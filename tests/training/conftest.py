"""A language model of a few thousand parameters, random but the same each time."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from training.writer import load


@pytest.fixture(scope="session")
def language_model_folder(tmp_path_factory):
    """A model over bytes, as most of today's language models have them at the bottom of their vocabulary."""
    folder = tmp_path_factory.mktemp("language-model")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: n for n, c in enumerate([*alphabet, "<end>"])}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(alphabet) + 1,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8.0)  # large enough that attention prefers some tokens to others
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def language_model(language_model_folder):
    return load(language_model_folder, "cpu", torch.float32)
