"""Who tries again and again is on the ledger, and does not flood it."""

from dataclasses import dataclass

from bot.deps import EVERY, OF_ONE, Refusals


@dataclass
class Clock:
    at: float = 0.0

    def __call__(self) -> float:
        return self.at


def test_the_same_refusal_is_due_once_in_a_while_and_says_how_often_it_was_tried() -> None:
    clock = Clock()
    refusals = Refusals(clock=clock)
    assert [refusals.is_due("sam", "stranger")[0] for _ in range(150)].count(True) == 1
    clock.at = EVERY
    assert refusals.is_due("sam", "stranger") == (True, 149)
    assert refusals.is_due("gus", "guest") == (True, 0), "others are told apart"


def test_who_tries_everything_takes_no_room_from_others() -> None:
    clock = Clock()
    refusals = Refusals(most=OF_ONE + 1, clock=clock)
    tried = [refusals.is_due("ned", f"request {n}")[0] for n in range(1000)]
    assert tried.count(True) == OF_ONE
    assert refusals.is_due("pia", "request 1") == (True, 0)
    assert refusals.is_due("ola", "request 1") == (False, 0), "there is an end to it"
    clock.at = EVERY
    assert refusals.is_due("ola", "request 1") == (True, 0), "and it ends by itself"
