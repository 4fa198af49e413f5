"""Work in the background: again and again, sooner when it is wanted, and to its end."""

import queue

from ops_orchestrator.runs.store.rounds import Rounds

HOUR_S = 3600.0


def test_round_that_is_wanted_begins_without_waiting_and_a_stop_ends_the_wait() -> None:
    begun: queue.Queue[None] = queue.Queue()
    rounds = Rounds("test", lambda: begun.put(None), HOUR_S)
    rounds.start()
    begun.get()
    rounds.hurry()
    begun.get()
    rounds.stop()
    assert begun.empty()


def test_round_that_is_wanted_while_one_goes_on_comes_after_it() -> None:
    begun: queue.Queue[None] = queue.Queue()
    may_end: queue.Queue[None] = queue.Queue()

    def work() -> None:
        begun.put(None)
        may_end.get()

    rounds = Rounds("test", work, HOUR_S)
    rounds.start()
    begun.get()
    rounds.hurry()
    may_end.put(None)
    begun.get()
    may_end.put(None)
    rounds.stop()


def test_long_work_is_told_to_end() -> None:
    begun: queue.Queue[None] = queue.Queue()

    def work() -> None:
        begun.put(None)
        while not rounds.wait(HOUR_S):
            pass

    rounds = Rounds("test", work, HOUR_S)
    rounds.start()
    begun.get()
    rounds.stop()


def test_rounds_that_were_not_started_can_be_stopped() -> None:
    Rounds("test", lambda: None, HOUR_S).stop()
