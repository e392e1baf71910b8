"""Models of transformers that the compiled runtime does not know, run by torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from index.errors import ReaderDamaged
from qa.pairs import MAX_TOKENS, Pair
from qa.span_reader import TokenScores
from qa.spans import Scores

_BATCH = 8
_SHIFTED_POSITIONS = ("roberta", "xlm-roberta", "camembert", "longformer")


class TransformersSpanModel:
    """An extractive question answering model of any family that transformers has."""

    def __init__(self, folder: Path) -> None:
        """Load the model; only safetensors are read, since a pickle can run code.

        Raises:
            ReaderDamaged: There is none, or it has no trained head for question answering.
        """
        import torch
        from transformers import AutoModelForQuestionAnswering

        try:
            model, found = AutoModelForQuestionAnswering.from_pretrained(
                str(folder),
                use_safetensors=True,
                trust_remote_code=False,  # or it would offer to run what the folder brings along
                local_files_only=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except Exception as error:  # whatever the model's own code raises
            raise ReaderDamaged(f"no extractive question answering model in {folder}: {error}") from error
        if found["missing_keys"]:
            # transformers would fill them with random numbers, and the model would answer at random.
            raise ReaderDamaged(
                f"the model in {folder} lacks {', '.join(sorted(found['missing_keys']))}: "
                "name one that was trained for question answering"
            )
        self._model = model.eval()
        # RoBERTa's positions begin after the padding's: two of them are never used.
        positions = int(getattr(model.config, "max_position_embeddings", MAX_TOKENS))
        self.max_tokens = positions - 2 if model.config.model_type in _SHIFTED_POSITIONS else positions

    def scores(self, pairs: Sequence[Pair]) -> list[TokenScores]:
        order = sorted(range(len(pairs)), key=lambda index: len(pairs[index].ids))
        scored: dict[int, TokenScores] = {}
        for begin in range(0, len(order), _BATCH):
            numbers = order[begin : begin + _BATCH]
            starts, ends = self._run([pairs[number] for number in numbers])
            for number, start, end in zip(numbers, starts, ends, strict=True):
                text = pairs[number].text
                scored[number] = TokenScores(start[text], end[text], float(start[0] + end[0]))
        return [scored[index] for index in range(len(pairs))]

    def _run(self, pairs: Sequence[Pair]) -> tuple[Scores, Scores]:
        import torch

        length = max(len(pair.ids) for pair in pairs)
        ids = torch.full((len(pairs), length), self._model.config.pad_token_id or 0)
        types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
        for row, pair in enumerate(pairs):
            ids[row, : len(pair.ids)] = torch.tensor(pair.ids)
            types[row, : len(pair.ids)] = torch.tensor(pair.type_ids)
            mask[row, : len(pair.ids)] = 1
        # Families without parts, such as DistilBERT and RoBERTa, take no numbers of them.
        has_types = getattr(self._model.config, "type_vocab_size", 0) > 1
        given = {"token_type_ids": types} if has_types else {}
        with torch.inference_mode():
            found = self._model(input_ids=ids, attention_mask=mask, **given)
        return found.start_logits.float().numpy(), found.end_logits.float().numpy()
