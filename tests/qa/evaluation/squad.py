"""Small files in SQuAD's form."""

import json

BRIDGE = "The bridge opened in 1890.\nIt was built of steel and is 2,467 metres long."
TOWER = "The tower opened in 1889. It was built of iron."


def qa(question_id, text, *answers, **other):
    """A question as SQuAD 2.0 has it; the answers are (text, start)."""
    return {
        "id": question_id,
        "question": text,
        "is_impossible": not answers,
        "answers": [{"text": text, "answer_start": start} for text, start in answers],
        **other,
    }


def article(title, *paragraphs):
    """An article; the paragraphs are (context, questions)."""
    return {"title": title, "paragraphs": [{"context": context, "qas": list(qas)} for context, qas in paragraphs]}


def articles():
    """Two articles, on a bridge and a tower, with an unanswerable question each."""
    return [
        article(
            "Big_Bridge",
            (
                BRIDGE,
                [
                    qa("when", "When was the bridge opened?", ("1890", 21), ("in 1890", 18)),
                    qa("what", "What was the bridge built of?", ("steel", 43)),
                    qa("who", "Who painted the staircase?"),
                ],
            ),
        ),
        article(
            "Tower",
            (TOWER, [qa("tower-when", "When did the tower open?", ("1889", 20)), qa("tower-why", "Why was it sold?")]),
        ),
    ]


def write_squad(path, data):
    """Write a file of these articles; return its path."""
    path.write_text(json.dumps({"version": "v2.0", "data": data}), encoding="utf-8")
    return path
