"""The span reader as a torch module, and the loss that it is trained by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel

from qa.span_reader import MAX_ANSWER_TOKENS


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences of some questions, padded to one length.

    Attributes:
        ids, token_types, mask: (rows, length).
        is_text: (rows, length), the tokens that an answer may have.
        question: (rows,), the number of the question that a row is read for.
        has_answer: (rows,), how likely the row's passage answers its question, in [0, 1].
        gold: (n, 4), row, first token, tokens after it and question of each right span.
        is_weak: (n_questions,), whose right spans hold the answer somewhere.
        n_questions: Of all, those without gold included.
        taught: A teacher's start and end scores, (rows, length), and null scores, (rows,).
        trust: How much of either loss is how far the model is from the teacher, if there is one, in [0, 1].
    """

    ids: Tensor
    token_types: Tensor
    mask: Tensor
    is_text: Tensor
    question: Tensor
    has_answer: Tensor
    gold: Tensor
    is_weak: Tensor
    n_questions: int
    taught: tuple[Tensor, Tensor, Tensor] | None = None
    trust: float = 0.5


class SpanModel(nn.Module):
    """An encoder with a start and an end score for each token, and a null score for the sequence."""

    def __init__(self, folder: Path) -> None:
        """Start from the encoder in a folder; its word embeddings are not trained."""
        super().__init__()
        # Dropout on attention would keep torch from its fast kernels; on a CPU "eager" is the faster of the others.
        config = AutoConfig.from_pretrained(str(folder), attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0)
        attention = "sdpa" if torch.cuda.is_available() and config.model_type == "bert" else "eager"
        self.bert = AutoModel.from_pretrained(
            str(folder), config=config, attn_implementation=attention, add_pooling_layer=False
        )
        self._has_token_types = hasattr(config, "type_vocab_size")
        self.bert.embeddings.word_embeddings.requires_grad_(False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.null_outputs = nn.Linear(config.hidden_size, 1)
        for head in (self.qa_outputs, self.null_outputs):
            nn.init.normal_(head.weight, std=config.initializer_range)
            nn.init.zeros_(head.bias)

    def scores(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return start and end scores, (rows, length), and null scores, (rows,), of a batch."""
        start, end, null = self(batch.ids, batch.token_types, batch.mask)
        return start, end, null

    def forward(self, ids: Tensor, token_types: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return start and end scores, (rows, length), and null scores, (rows,), in float32."""
        types = {"token_type_ids": token_types} if self._has_token_types else {}
        states = self.bert(input_ids=ids, attention_mask=mask, **types).last_hidden_state.float()
        ends = _in_float32(self.qa_outputs, states)
        return ends[..., 0], ends[..., 1], _in_float32(self.null_outputs, states[:, 0])[:, 0]


def trained_model(encoder: Path, checkpoint: Path) -> SpanModel:
    """Return the model made from an encoder with a checkpoint's weights, on the CPU, not to be trained."""
    model = SpanModel(encoder)
    model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["model"])
    return model.eval()


def _in_float32(layer: nn.Linear, states: Tensor) -> Tensor:
    return functional.linear(states, layer.weight.float(), layer.bias.float())


def span_scores(start: Tensor, end: Tensor, is_text: Tensor, max_tokens: int = MAX_ANSWER_TOKENS) -> Tensor:
    """Return start + end score of each span, (rows, length, max_tokens), by first token and tokens after it.

    Spans that leave the text score -inf.
    """
    floor = torch.finfo(start.dtype).min / 4
    start = start.masked_fill(~is_text, floor)
    end = functional.pad(end.masked_fill(~is_text, floor), (0, max_tokens - 1), value=floor)
    scores = start[:, :, None] + end.unfold(1, max_tokens, 1)
    return scores.masked_fill(scores < floor / 2, -torch.inf)


def losses(start: Tensor, end: Tensor, null: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the loss of finding the span and that of telling whether there is one, means over the batch.

    Finding: one softmax over all spans of all passages of a question; minus the log of what the right ones have of it
    together. Telling: for each passage, logistic loss of log-sum-exp over its spans against its null score. Where
    there is a teacher, a part of either is how far the model is from it.

    Source: Clark and Gardner 2018, https://arxiv.org/abs/1710.10723, section 3 ("shared-norm");
        Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531, for the teacher.
    """
    scores = span_scores(start, end, batch.is_text)
    of_row = torch.logsumexp(scores.flatten(1), dim=1)
    of_question = _logsumexp_by(of_row, batch.question, batch.n_questions)
    has_answer = batch.has_answer
    finding = _of_right_spans(scores, of_question, batch)
    if batch.taught:
        taught_start, taught_end, taught_null = batch.taught
        taught = span_scores(taught_start, taught_end, batch.is_text)
        taught_of_row = torch.logsumexp(taught.flatten(1), dim=1)
        has_answer = torch.lerp(has_answer, torch.sigmoid(taught_of_row - taught_null), batch.trust)
        finding = torch.lerp(finding, _of_taught_spans(scores, of_question, taught, batch), batch.trust)
    return finding, functional.binary_cross_entropy_with_logits(of_row - null, has_answer)


def _of_right_spans(scores: Tensor, of_question: Tensor, batch: Batch) -> Tensor:
    """Return minus the log of the share of the right spans, as a mean over all questions."""
    rows, first, after, question = batch.gold.T
    of_gold = _logsumexp_by(scores[rows, first, after], question, batch.n_questions)
    # Not by indexing: how many there are is not known before a GPU has counted them.
    return torch.where(_has_gold(batch), of_question - of_gold, 0.0).sum() / batch.n_questions


def _of_taught_spans(scores: Tensor, of_question: Tensor, taught: Tensor, batch: Batch) -> Tensor:
    """Return the divergence of the model's shares of all spans from the teacher's, as a mean over all questions.

    A weak question's right spans are known to hold the answer: what the teacher gives to others is not counted.
    """
    rows, first, after, _ = batch.gold.T
    is_right = torch.zeros_like(taught, dtype=torch.bool)
    is_right[rows, first, after] = True
    # Where a window has lost the right spans there is nothing to keep the teacher to.
    is_free = ~(batch.is_weak & _has_gold(batch))[batch.question]
    taught = taught.masked_fill(~(is_right | is_free[:, None, None]), -torch.inf)
    taught_of_question = _logsumexp_by(torch.logsumexp(taught.flatten(1), dim=1), batch.question, batch.n_questions)
    log_share = scores - of_question[batch.question][:, None, None]
    taught_log_share = taught - taught_of_question[batch.question][:, None, None]
    taught_share = taught_log_share.exp()
    # Spans that leave the text have minus infinity from both.
    apart = torch.where(taught_share > 0, taught_log_share - log_share, 0.0)
    return (taught_share * apart).sum() / batch.n_questions


def _has_gold(batch: Batch) -> Tensor:
    """Return which questions have a right span, (n_questions,)."""
    none = torch.zeros(batch.n_questions, dtype=torch.bool, device=batch.gold.device)
    return none.index_fill(0, batch.gold[:, 3], value=True)


def _logsumexp_by(values: Tensor, group: Tensor, n_groups: int) -> Tensor:
    """Return log-sum-exp of the values of each group, (n_groups,)."""
    peak = values.new_full((n_groups,), -torch.inf).scatter_reduce(0, group, values.detach(), "amax")
    peak = peak.masked_fill(peak == -torch.inf, 0)
    total = values.new_zeros(n_groups).index_add(0, group, torch.exp(values - peak[group]))
    return torch.log(total.clamp_min(1e-30)) + peak
