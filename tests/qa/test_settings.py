from pathlib import Path

import pytest

from index.errors import InvalidParameter
from qa.settings import SETTINGS, settings_from, settings_of_environment


@pytest.fixture(autouse=True)
def without_settings(monkeypatch):
    for setting in SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)


def test_an_environment_that_says_nothing_gives_the_defaults():
    assert settings_of_environment("index", "retrieval", "answers", "addresses", "server") == settings_from({})


def test_an_environment_sets_what_flags_would(monkeypatch):
    monkeypatch.setenv("CITESPAN_INDEX", "elsewhere")
    monkeypatch.setenv("CITESPAN_MAX_RISK", "0.05")
    monkeypatch.setenv("CITESPAN_ALLOWED_HOST", "docs.example papers.example")
    settings = settings_of_environment("index", "answers", "addresses", "server")
    assert settings.index == Path("elsewhere")
    assert settings.max_risk == 0.05
    assert settings.allowed_host == ("docs.example", "papers.example")


@pytest.mark.parametrize(("name", "value"), [("PORT", "8000.5"), ("MAX_RISK", "2"), ("LOG_LEVEL", "loud")])
def test_a_variable_that_cannot_be_used_is_named(monkeypatch, name, value):
    monkeypatch.setenv(f"CITESPAN_{name}", value)
    with pytest.raises(InvalidParameter, match=f"CITESPAN_{name}.*{value}"):
        settings_of_environment("answers", "addresses", "server")
