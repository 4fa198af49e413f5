from ops_orchestrator.excerpt import excerpt


def test_excerpt_of_a_short_text_is_the_text() -> None:
    assert excerpt("a" * 10, 10) == "a" * 10


def test_excerpt_of_a_long_text_says_how_much_is_left_out() -> None:
    assert excerpt("abc" + "d" * 1000, 3) == "abc... (and 1,000 more characters)"
