from qa.verbs import PAST_FORMS


def test_a_past_form_leads_to_its_verb():
    assert PAST_FORMS["met"] == "meet"
    assert PAST_FORMS["written"] == PAST_FORMS["wrote"] == "write"


def test_no_verb_of_the_list_is_a_past_form_of_another():
    assert not set(PAST_FORMS) & set(PAST_FORMS.values())
