"""The first page of the list of models: those that need somebody first, and how many there are of each kind in all."""

from collections import Counter

from bot.inventory import cards
from tests.contexts import make_context
from tests.inventory.conftest import OLA, RISK, Yard
from workflows.inventory import reads


def test_the_first_page_is_the_beginning_of_the_whole_list(yard: Yard) -> None:
    fraud, churn, _ = (
        yard.model(name.casefold(), name=name, technique="Gradient boosting")
        for name in ("fraud", "churn", "Atlas")
    )
    # A model stands as its leading version does.
    yard.in_use(fraud)
    yard.in_validation(churn)
    yard.in_validation(fraud, "2")
    yard.model("hidden", project=None, owner="ned")
    rank = cards.ORDER.get
    with yard.db.read() as session:
        for who, words in ((OLA, ""), (RISK, ""), (RISK, "boosting"), (RISK, "100%")):
            actor = yard.actor(who)
            models = reads.list_models(
                make_context(session, actor=actor, policy=yard.policy), words
            )
            ordered = sorted(models, key=lambda each: (rank(each.state, 9), each.name.casefold()))
            for most in (1, 2, 10):
                first, counts = reads.list_first_models(
                    make_context(session, actor=actor, policy=yard.policy),
                    words,
                    order=cards.ORDER,
                    most=most,
                )
                assert first == ordered[:most]
                assert counts == Counter(each.state for each in models)
    assert len(models) == 0
