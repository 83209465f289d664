"""Rows with names: each is made from the columns of its statement in their order, which no type checker sees."""

from typing import Any

import pytest

from storage.approvals import activity, queries
from storage.approvals import activity as actions


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        (queries._REQUEST, queries.RequestRow),
        (queries._DECIDED, queries.VerdictRow),
        (queries._STANDING, queries.StandingRow),
        (queries._CHANNEL, queries.ChannelRow),
        (queries._CARDS, queries.CardRow),
        (queries._CARD_STAGES, queries.StageRow),
        (queries._CARD_DECISIONS, queries.DecisionRow),
        (queries._WAITING, queries.UndecidedRow),
        (activity._SINCE, activity.PastRow),
        (actions._QUESTIONS, activity.QuestionRow),
        (actions._HANDOVERS, activity.HandoverRow),
        (actions._EDITS, activity.EditRow),
        (actions._CONDITIONS, activity.ConditionRow),
        (actions._REVIEWS, activity.ReviewRow),
        (actions._ABSENCE, activity.AbsenceRow),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_row_has_the_columns_of_its_statement(statement: Any, row: Any) -> None:
    assert tuple(statement.selected_columns.keys()) == row._fields


def test_people_are_read_with_what_named_them() -> None:
    columns = tuple(column.key for column in queries._PERSON_COLUMNS)
    assert columns == queries.PersonRow._fields
    assert queries._MEMBERS.selected_columns.keys() == [*columns, "group_id", "since"]
