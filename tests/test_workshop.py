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

    waiting = [
        workshop.ask(name, piece(name), ahead=name.startswith("ahead")) for name in ("ahead", "old", "new")
    ]
    workshop.ask("ahead too", piece("ahead too"), ahead=True)
    hurried = workshop.ask("ahead too", piece("ahead too"))
    go.set()
    for future in (first, *waiting, hurried):
        future.result(PATIENCE_S)
    assert order == ["ahead too", "new", "old", "ahead"]


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
            if workshop.hurried:
                raise GiveWay
        return b"long"

    slow = workshop.ask("slow", long)
    assert begun.wait(PATIENCE_S)
    assert workshop.ask("slow", long) is slow, "it does not give way to itself"
    assert workshop.ask("quick", lambda: b"quick").result(PATIENCE_S) == b"quick"
    assert slow.result(PATIENCE_S) == b"long"
    assert len(tries) == 2


def test_an_error_reaches_who_asked(workshop):
    def fails() -> bytes:
        raise ValueError("no film")

    with pytest.raises(ValueError, match="no film"):
        workshop.ask("a", fails).result(PATIENCE_S)
    assert workshop.ask("a", lambda: b"now").result(PATIENCE_S) == b"now"
