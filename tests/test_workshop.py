"""What is looked at comes first, and what takes long makes room for it."""

from __future__ import annotations

import threading

import pytest

from stream.review.loops.workshop import GiveWay, Workshop

PATIENCE_S = 60


@pytest.fixture
def workshop():
    made = Workshop()
    yield made
    made.close()


def test_what_is_wanted_now_comes_before_what_may_be_wanted_and_the_newest_first(workshop):
    order: list[str] = []
    go = threading.Event()
    first = workshop.ask("first", lambda: (go.wait(PATIENCE_S), b"")[1])

    def piece(name: str):
        return lambda: (order.append(name), name.encode())[1]

    names = ("ahead", "old", "new", "later", "last")
    waiting = [workshop.ask(name, piece(name), ahead=name not in ("old", "new")) for name in names]
    hurried = workshop.ask("last", piece("last"))
    go.set()
    for future in (first, *waiting, hurried):
        future.result(PATIENCE_S)
    assert order == ["last", "new", "old", "ahead", "later"]


def test_it_is_made_once(workshop):
    count = []
    for _ in range(3):
        assert workshop.ask("a", lambda: (count.append(1), b"x")[1]).result(PATIENCE_S) == b"x"
    assert len(count) == 1


def test_a_long_piece_gives_way_and_is_made_again(workshop):
    begun, tries = threading.Event(), []

    def long() -> bytes:
        tries.append(1)
        begun.set()
        while len(tries) == 1:
            workshop.pause()
        return b"long"

    slow = workshop.ask("slow", long)
    assert begun.wait(PATIENCE_S)
    assert workshop.ask("slow", long) is slow, "it does not give way to itself"
    assert workshop.ask("quick", lambda: b"quick").result(PATIENCE_S) == b"quick"
    assert slow.result(PATIENCE_S) == b"long"
    assert len(tries) == 2


def test_what_nobody_waits_for_is_not_made(workshop):
    go, begun, made = threading.Event(), threading.Event(), []

    def long() -> bytes:
        begun.set()
        go.wait(PATIENCE_S)
        workshop.pause()
        made.append("long")
        return b"long"

    running = workshop.ask("long", long)
    assert begun.wait(PATIENCE_S)
    waiting = workshop.ask("waiting", lambda: (made.append("waiting"), b"x")[1])
    twice = [workshop.ask("twice", lambda: b"twice") for _ in range(2)]
    for name in ("long", "waiting", "twice"):
        workshop.leave(name)
    go.set()
    assert twice[1].result(PATIENCE_S) == b"twice", "one of two has left"
    with pytest.raises(GiveWay):
        running.result(PATIENCE_S)
    assert waiting.cancelled()
    assert made == []
    assert workshop.ask("waiting", lambda: b"again").result(PATIENCE_S) == b"again"


def test_who_leaves_what_has_just_been_made_leaves_no_debt(workshop):
    assert workshop.ask("loop", lambda: b"once").result(PATIENCE_S) == b"once"
    workshop.leave("loop")
    workshop.forget()

    def again() -> bytes:
        workshop.pause()
        return b"again"

    assert workshop.ask("loop", again).result(PATIENCE_S) == b"again"


def test_one_workshop_rests_while_another_is_at_work(workshop):
    after = Workshop(after=workshop)
    try:
        order: list[str] = []
        begun, go = threading.Event(), threading.Event()

        def slow() -> bytes:
            begun.set()
            go.wait(PATIENCE_S)
            after.pause()
            order.append("slow")
            return b"slow"

        slowly = after.ask("slow", slow)
        assert begun.wait(PATIENCE_S)
        held = threading.Event()
        quick = workshop.ask("quick", lambda: (held.wait(PATIENCE_S), order.append("quick"), b"q")[2])
        go.set()
        held.set()
        assert quick.result(PATIENCE_S) == b"q"
        assert slowly.result(PATIENCE_S) == b"slow"
        assert order == ["quick", "slow"]
    finally:
        workshop.close()
        after.close()


def test_an_error_reaches_who_asked(workshop):
    def fails() -> bytes:
        raise ValueError("no video")

    with pytest.raises(ValueError, match="no video"):
        workshop.ask("a", fails).result(PATIENCE_S)
    assert workshop.ask("a", lambda: b"now").result(PATIENCE_S) == b"now"
