import math
from typing import Any

import pytest
import torch

from training.finetune import STAGES, learning_rate
from training.model import Batch, losses, span_scores


def batch(*, question, has_answer, gold, length, is_weak=False, taught=None, trust=0.5):
    rows = len(question)
    ids = torch.zeros(rows, length, dtype=torch.long)
    n_questions = max(question) + 1
    return Batch(
        ids,
        ids,
        torch.ones_like(ids),
        torch.ones(rows, length, dtype=torch.bool),
        torch.tensor(question),
        torch.tensor(has_answer),
        torch.tensor(gold, dtype=torch.long).reshape(-1, 4),
        torch.full((n_questions,), is_weak),
        n_questions,
        taught,
        trust,
    )


def log_sum_exp(values):
    return math.log(sum(math.exp(value) for value in values))


def spans(start, end, max_tokens=30):
    return {
        (i, j): float(start[i] + end[j]) for i in range(len(start)) for j in range(i, min(i + max_tokens, len(start)))
    }


@pytest.fixture
def scored():
    torch.manual_seed(1)
    return torch.randn(3, 5), torch.randn(3, 5), torch.randn(3)


def test_every_span_in_the_text_has_its_score_and_no_other(scored):
    start, end, _ = scored
    is_text = torch.tensor([[False, True, True, True, False]] * 3)
    found = span_scores(start, end, is_text, 2)
    expected = {(i, j) for i in range(1, 4) for j in range(i, min(i + 2, 4))}
    for i in range(5):
        for after in range(2):
            value = float(found[1, i, after])
            assert (
                value == pytest.approx(float(start[1, i] + end[1, i + after]))
                if (i, i + after) in expected
                else value == -math.inf
            )


def test_finding_is_one_softmax_over_all_passages_of_a_question_worked_out_by_enumeration(scored):
    start, end, null = scored
    # Question 0 has two passages, question 1 one.
    found, _ = losses(
        start,
        end,
        null,
        batch(
            question=[0, 0, 1], has_answer=[1.0, 0.0, 1.0], gold=[(0, 1, 1, 0), (0, 2, 0, 0), (2, 0, 0, 1)], length=5
        ),
    )
    rows = [spans(start[row], end[row]) for row in range(3)]
    first = log_sum_exp([*rows[0].values(), *rows[1].values()]) - log_sum_exp([rows[0][1, 2], rows[0][2, 2]])
    second = log_sum_exp(rows[2].values()) - rows[2][0, 0]
    assert float(found) == pytest.approx((first + second) / 2, rel=1e-4)


def test_telling_is_the_logistic_loss_of_the_total_against_the_null_score(scored):
    start, end, null = scored
    _, telling = losses(
        start, end, null, batch(question=[0, 1, 2], has_answer=[1.0, 0.0, 0.0], gold=[(0, 0, 0, 0)], length=5)
    )
    margins = [log_sum_exp(spans(start[row], end[row]).values()) - float(null[row]) for row in range(3)]
    expected = [math.log1p(math.exp(-margins[0])), math.log1p(math.exp(margins[1])), math.log1p(math.exp(margins[2]))]
    assert float(telling) == pytest.approx(sum(expected) / 3, rel=1e-4)


def test_questions_without_gold_are_nothing_to_find(scored):
    start, end, null = scored
    found, telling = losses(start, end, null, batch(question=[0, 1, 2], has_answer=[0.0] * 3, gold=[], length=5))
    assert float(found) == 0.0
    assert float(telling) > 0


TWO_QUESTIONS: dict[str, Any] = {
    "question": [0, 0, 1],
    "has_answer": [1.0, 0.0, 0.0],
    "gold": [(0, 1, 1, 0), (0, 2, 0, 0)],
    "length": 5,
}


def shares(start, end):
    """Return what each span of some rows has of one softmax over them all."""
    found = {(row, *span): score for row in range(len(start)) for span, score in spans(start[row], end[row]).items()}
    total = log_sum_exp(found.values())
    return {span: math.exp(score - total) for span, score in found.items()}


def divergence(taught, found):
    return sum(share * math.log(share / found[span]) for span, share in taught.items() if share > 0)


def test_half_of_finding_is_how_far_the_model_is_from_its_teacher_worked_out_by_enumeration(scored):
    torch.manual_seed(2)
    start, end, null = scored
    taught = torch.randn(3, 5), torch.randn(3, 5), torch.randn(3)
    alone, _ = losses(start, end, null, batch(**TWO_QUESTIONS))
    found, _ = losses(start, end, null, batch(**TWO_QUESTIONS, taught=taught))
    apart = [
        divergence(shares(taught[0][rows], taught[1][rows]), shares(start[rows], end[rows])) for rows in ([0, 1], [2])
    ]
    assert float(found) == pytest.approx((float(alone) + sum(apart) / 2) / 2, rel=1e-4)


def test_a_model_that_is_its_own_teacher_is_not_drawn_from_it(scored):
    start, end, null = (some.clone().requires_grad_() for some in scored)
    finding, _ = losses(
        start, end, null, batch(question=[0, 1, 2], has_answer=[0.0] * 3, gold=[], length=5, taught=scored)
    )
    assert float(finding.detach()) == pytest.approx(0, abs=1e-6)
    finding.backward()
    assert float(start.grad.abs().max()) < 1e-6


def test_whom_labels_count_for_nothing_is_not_drawn_from_itself_by_them(scored):
    start, end, null = (some.clone().requires_grad_() for some in scored)
    finding, telling = losses(start, end, null, batch(**TWO_QUESTIONS, taught=scored, trust=1.0))
    assert float(finding.detach()) == pytest.approx(0, abs=1e-6)
    (finding + telling).backward()
    assert all(float(some.grad.abs().max()) < 1e-6 for some in (start, end, null))


def test_of_a_weak_question_the_teacher_counts_where_the_answer_is_known_to_be(scored):
    start, end, null = scored
    taught = torch.randn(3, 5), torch.randn(3, 5), torch.randn(3)
    alone, _ = losses(start, end, null, batch(**TWO_QUESTIONS, is_weak=True))
    found, _ = losses(start, end, null, batch(**TWO_QUESTIONS, is_weak=True, taught=taught))
    right = {(0, 1, 2), (0, 2, 2)}
    of_teacher = shares(taught[0][:2], taught[1][:2])
    total = sum(of_teacher[span] for span in right)
    of_teacher = {span: share / total if span in right else 0 for span, share in of_teacher.items()}
    # The second question has no right span: there the teacher is free.
    apart = divergence(of_teacher, shares(start[:2], end[:2])) + divergence(
        shares(taught[0][2:], taught[1][2:]), shares(start[2:], end[2:])
    )
    assert float(found) == pytest.approx((float(alone) + apart / 2) / 2, rel=1e-4)


def test_telling_meets_the_label_and_the_teacher_half_way(scored):
    start, end, null = scored
    taught = torch.randn(3, 5), torch.randn(3, 5), torch.randn(3)
    _, telling = losses(start, end, null, batch(**TWO_QUESTIONS, taught=taught))
    expected = 0.0
    for row, label in enumerate(TWO_QUESTIONS["has_answer"]):
        margin = log_sum_exp(spans(start[row], end[row]).values()) - float(null[row])
        of_teacher = log_sum_exp(spans(taught[0][row], taught[1][row]).values()) - float(taught[2][row])
        wanted = (label + 1 / (1 + math.exp(-of_teacher))) / 2
        expected += wanted * math.log1p(math.exp(-margin)) + (1 - wanted) * math.log1p(math.exp(margin))
    assert float(telling) == pytest.approx(expected / 3, rel=1e-4)


@pytest.mark.parametrize("is_taught", [False, True])
def test_gradients_are_finite_where_texts_differ_in_length(scored, is_taught):
    start, end, null = (some.clone().requires_grad_() for some in scored)
    some = batch(**TWO_QUESTIONS, is_weak=True, taught=scored if is_taught else None)
    some.is_text[1, 1:] = False
    finding, telling = losses(start, end, null, some)
    (finding + telling).backward()
    assert all(torch.isfinite(tensor.grad).all() for tensor in (start, end, null))


def test_the_learning_rate_rises_and_stays_in_the_first_stage():
    rates = [learning_rate(STAGES["first"], step, 1000, peak=1.0) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / 100)
    assert rates == sorted(rates)
    assert set(rates[100:]) == {1.0}


def test_the_learning_rate_falls_to_nothing_where_a_stage_goes_on_from_another():
    rates = [learning_rate(STAGES["teacher"], step, 4, peak=1.0) for step in range(4)]
    assert rates == [1.0, 0.75, 0.5, 0.25]


def test_the_learning_rate_rises_shortly_before_it_falls_where_a_stage_begins_anew():
    rates = [learning_rate(STAGES["student"], step, 800, peak=1.0) for step in range(800)]
    assert rates[0] == pytest.approx(1 / 300)
    assert max(rates) < 1
    assert rates[300:] == sorted(rates[300:], reverse=True)
    assert rates[-1] == pytest.approx(1 / 800)
