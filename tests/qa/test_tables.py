import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qa.tables import with_names

MARKDOWN = "| Boat | Hour | Deposit |\n|---|:-:|--:|\n| **Touring kayak** | £14 | £40 |\n| Canoe | | £50 |"
TABS = "Date\tTrip\tPlaces\n3 May\tRiver Urran\t12\n4 June\tMoonlight paddle\t8"
ALIGNED = "Day       Adult   Child\nMonday    £3      £2\nSunday    £4      £3"


def shown(text):
    return with_names(text).text


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (
            MARKDOWN,
            [
                "| **Touring kayak** | Hour, Touring kayak: £14 | Deposit, Touring kayak: £40 |",
                "| Canoe | | Deposit, Canoe: £50 |",
            ],
        ),
        (
            TABS,
            [
                "Date, River Urran: 3 May\tRiver Urran\tPlaces, River Urran: 12",
                "Date, Moonlight paddle: 4 June\tMoonlight paddle\tPlaces, Moonlight paddle: 8",
            ],
        ),
        (
            ALIGNED,
            [
                "Monday    Adult, Monday: £3      Child, Monday: £2",
                "Sunday    Adult, Sunday: £4      Child, Sunday: £3",
            ],
        ),
        ("a|b|c\n-|-|-\n1|2|3", ["1|b, 1: 2|c, 1: 3"]),
        (
            "Stop     Mon    Tue    Wed\n====     ===    ===    ===\nHarbour  09:00         10:00\nMill            9:30",
            [
                "Harbour  Mon, Harbour: 09:00         Wed, Harbour: 10:00",
                "Mill            Tue, Mill: 9:30",
            ],
        ),
        (
            "          Mon   Tue\nHarbour   9:00  9:30\nMill            9:45\nMarket    8:15  8:45",
            [
                "Harbour   Mon, Harbour: 9:00  Tue, Harbour: 9:30",
                "Mill            Tue, Mill: 9:45",
                "Market    Mon, Market: 8:15  Tue, Market: 8:45",
            ],
        ),
        (
            "+------+-----+-----+\n| Boat | Day | Fee |\n+======+=====+=====+\n| Raft | 1   | £2  |\n+------+-----+-----+",
            ["| Raft | Day, Raft: 1   | Fee, Raft: £2  |"],
        ),
        (
            "Boat\tHour\tDay\nKayaks\nTouring\t£14\t£40\nCanoes\nLong\t£16\t£50",
            [
                "Kayaks",
                "Touring\tHour, Touring: £14\tDay, Touring: £40",
                "Canoes",
                "Long\tHour, Long: £16\tDay, Long: £50",
            ],
        ),
        ("||b|c|\n|-|-|-|\n|x|2|3|", ["|x|b, x: 2|c, x: 3|"]),
        (
            "\tAdult\tChild\nMonday\t£3\t\nSunday\t\t£3",
            ["Monday\tAdult, Monday: £3\t", "Sunday\t\tChild, Sunday: £3"],
        ),
    ],
)
def test_each_cell_is_shown_behind_the_names_of_its_column_and_row(text, rows):
    lines = shown(text).split("\n")
    assert [line for line in lines if line in rows] == rows


@pytest.mark.parametrize("table", [MARKDOWN, TABS, ALIGNED])
def test_a_table_ends_where_its_lines_do(table):
    before, after = "Prices\n\nWe hire boats out.\n\n", "\n\nAll of it is 3 years old, 4 at most."
    assert shown(before + table + after) == before + shown(table) + after


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "We open at 9.  We close at 5.\nOn Sunday, too.",
        "| Day | Opens |\n|---|---|\n| Monday | 9 |",  # a value stands beside its name
        "| a | 1 | 2 |\n| b | 3 | 4 |",  # a Markdown table that began before this text
        "a\t1\t2\nb\t3\t4\nc\t5\t6",  # no head
        "Name\tRole\tTown\nAnn\tChair\tBath\nBob\tCook\tYork",  # whatever is its head, no digit tells
        "Day\tAdult\tChild\nMonday\t£3\t£2",  # one row tells nothing of the first
        "|---|---|---|\n| 1 | 2 | 3 |",
        "| a | b | c |\n| Day | Opens |\n|---|---|\n| Monday | 9 |",
        "One.  Two.  Three.\nFour 4.  Five 5.  Six 6.\nSeven 7.  Eight 8.  Nine 9.",
        "host  = local    # here\nport  = 5432    # 5 digits\nsize  = 12      # 2 digits",
        "    Day        Opens\n    Monday     9\n    Tuesday    10",
        "a  b  c\n" + "\u200b  " * 200,
    ],
)
def test_what_is_no_table_of_three_columns_with_a_head_is_left_as_it_is(text):
    assert shown(text) == text


@pytest.mark.parametrize("table", [MARKDOWN, TABS, ALIGNED])
def test_lines_before_a_text_name_its_cells_and_are_not_shown(table):
    for at in (table.rindex("\n"), table.rindex("\n") + 1, table.rindex("£" if "£" in table else "M")):
        found = with_names(table[at:], before=table[:at])
        assert shown(table).endswith(found.text)
        assert "".join(np.array(list(found.text))[~found.is_name]) == table[at:]
        assert found.is_name.any()


@pytest.mark.parametrize(
    ("text", "row"),
    [
        # A rule below rows is none under a head.
        (f"{ALIGNED}\n------    --      --\nTotal     £7      £5", "Total     Adult, Total: £7      Child, Total: £5"),
        # A row without digits after a title is a head of its own.
        (f"Day\tHour\tWeek\nRaft\t£1\t£2\nBikes\nBike\tDay\tYear\n{TABS[-22:]}\nBMX\t£7\t£8", "BMX\tDay, BMX: £7\tYear, BMX: £8"),
        (f"{MARKDOWN}\n## Bikes\n| Bike | Day | Week |\n|---|---|---|\n| BMX | £7 | £8 |", "| BMX | Day, BMX: £7 | Week, BMX: £8 |"),
        # Other rows before it belong to something else.
        (f"Ring first.  We are kind.  Come.\n{MARKDOWN}", "| Canoe | | Deposit, Canoe: £50 |"),
        (f"Plan of 2024:   see  below\n{TABS}", "Date, River Urran: 3 May\tRiver Urran\tPlaces, River Urran: 12"),
        ("Date        Trip        Hour      Week\n  1 May     Bath        £10\n 10 May     Wells       £12       £14",
         "  Date, Bath: 1 May     Bath        Hour, Bath: £10"),
        ("No.   Boat    Fee     Held\n              (£)     (£)\n----  ------  ------  ------\n1     Raft    14      40", "Raft: 1     Raft    (£), Raft: 14      (£), Raft: 40"),
        ("                    Mon     Tue\nHarbour      dep.   9:00    9:30\nMill         arr.   9:45    9:55", "Harbour      Harbour: dep.   Mon, Harbour: 9:00    Tue, Harbour: 9:30"),
        ("Boat  Fee  Held\nTouring kayak  £14  £40\nRaft  £3  £5", "Touring kayak  Fee, Touring kayak: £14  Held, Touring kayak: £40"),
        ("Boat\tHour\tDay\n---\t---\t---\nRaft\tfree\tfree", "Raft\tHour, Raft: free\tDay, Raft: free"),
        ("\t\t\n" + TABS, "Date, River Urran: 3 May\tRiver Urran\tPlaces, River Urran: 12"),
        ("| Pitch | Size | Fee |\n|-|-|-|\n| A1 | large | £40 |", "| Pitch, large: A1 | large | Fee, large A1: £40 |"),
        ("No.\tBoat\tPower\tFee\n1\tRaft\tno\t£3\n2\t\tyes\t£4", "2\t\tPower, 2: yes\tFee, 2: £4"),
        ("| Stall | Power | Fee |\n|-|-|-|\n| Market 2 | yes | £3 |", "| Market 2 | Power, Market 2: yes | Fee, Market 2: £3 |"),
        ("| Name | `default_value` | Max |\n|-|-|-|\n| _max_tokens_ | 254 | 9 |", "| _max_tokens_ | default_value, max_tokens: 254 | Max, max_tokens: 9 |"),
    ],
)  # fmt: skip
def test_a_tables_head_is_its_own(text, row):
    assert row in shown(text).split("\n")


def test_where_a_text_begins_in_the_middle_of_what_is_not_known_no_row_is_a_head():
    rows = "Boat D\tfree\t£1756\nBoat E\tfree £1\t£1757\nBoat F\tfree £1\t£1757"
    assert with_names(rows).is_name.any()
    assert not with_names(rows, before=None).is_name.any()
    assert not with_names("Boats\n" + rows, before=None).is_name.any()
    assert with_names("a\n\n" + TABS, before=None).is_name.any()


def test_a_row_of_fewer_cells_is_left_as_it_is_for_no_one_knows_which_is_missing():
    assert (
        shown(f"{TABS}\n9 July\t5\n9 July\tRaft\t4")
        == f"{shown(TABS)}\n9 July\t5\nDate, Raft: 9 July\tRaft\tPlaces, Raft: 4"
    )
    assert shown(MARKDOWN + "\n| Raft | £9 |") == shown(MARKDOWN) + "\n| Raft | £9 |"


def test_a_cell_that_is_long_is_no_name():
    long = "A boat that takes " + "so very " * 10 + "many"
    assert f"| {long} | Hour: £9 |" in shown(MARKDOWN + f"\n| {long} | £9 | |")


TABLE_TEXT = st.text(st.sampled_from("a1|- \t\n:\\£"), max_size=80)


@given(TABLE_TEXT)
@example(MARKDOWN)
@example(TABS)
@example(ALIGNED)
@example("|a|b|c|\n|-|-|-|\n| 1 |2|")
def test_nothing_but_names_is_added_and_every_character_knows_its_place(text):
    found = with_names(text)
    assert "".join(np.array(list(found.text))[~found.is_name]) == text
    assert found.places[~found.is_name].tolist() == list(range(len(text)))
    assert (np.diff(found.places) >= 0).all()
    # A name stands before a character of its cell.
    assert all(not text[place].isspace() for place in found.places[found.is_name])


def test_many_rows_and_long_lines_are_shown_as_few_are():
    text = "Date\tTrip\tPlaces\n" + "\n".join(f"{number}\tx\t{number}" for number in range(20_000))
    assert shown(text).count("Date, x: ") == 20_000
    assert shown("|" * 100_000) == "|" * 100_000
    assert shown(" " * 100_000 + "|-|") == " " * 100_000 + "|-|"
