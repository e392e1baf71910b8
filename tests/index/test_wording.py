import pytest

from index.wording import counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 passages"), (1, "1 passage"), (2, "2 passages"), (1200, "1,200 passages")]
)
def test_a_number_has_its_noun(number, words):
    assert counted(number, "passage") == words


def test_a_plural_of_its_own_is_given():
    assert [counted(number, "entry", "entries") for number in (1, 2)] == ["1 entry", "2 entries"]
