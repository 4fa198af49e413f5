import re
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ops_orchestrator.errors import ExpressionError
from ops_orchestrator.modules.adapters.expression import Expression, Room

NAMES = ("inputs", "upstream")
LONG = "a" * 50_000 + "b"
ENDLESS = "($f := function($n) { $n > 0 ? $f($n - 1) : 'done' }; $f(inputs.n))"
DEEP = "($f := function($n) { $n = 0 ? 0 : 1 + $f($n - 1) }; $f(inputs.n))"


def value_of(text: str, **inputs: Any) -> Any:
    return Expression(text, NAMES).evaluate({"inputs": inputs})


def compile_error(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        Expression(text, NAMES)
    return caught.value


def evaluation_error(text: str, longest_s: float = 60.0, **inputs: Any) -> ExpressionError:
    expression = Expression(text, NAMES)
    with pytest.raises(ExpressionError) as caught:
        expression.evaluate({"inputs": inputs}, longest_s=longest_s)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.country", "DO"),
        ("inputs.nothing", None),
        ("inputs.absent", None),
        ('{ "a": inputs.nothing, "b": inputs.absent }', {"a": None}),
        ("[inputs.nothing, inputs.absent]", [None]),
        ("$count(inputs.absent)", 0),
        ("inputs.absent & 'x'", "x"),
        ("inputs.years", [2024, 2025, 2026]),
        ("inputs.one", [7]),
        ("inputs.years[$ > 2025]", 2026),
        ("[inputs.years[$ > 2025]]", [2026]),
        ("[inputs.years[$ > 3000]]", []),
        ("[2024..2026]", [2024, 2025, 2026]),
        ('{ "years": [1..3] }', {"years": [1, 2, 3]}),
        ("[1..0]", []),
        ("10 / 5", 2),
        ("true", True),
        ("$string(inputs.rate)", "0.18"),
        ("$number('0.18')", 0.18),
        ("$merge([inputs.tax, { 'cit': 27 }])", {"vat": 18, "cit": 27}),
        ("$each(inputs.tax, function($rate, $name) { $name & '=' & $rate })", "vat=18"),
    ],
)
def test_expression_yields_plain_json(text: str, value: Any) -> None:
    inputs = {"country": "DO", "nothing": None, "years": [2024, 2025, 2026], "one": [7], "rate": 0.18, "tax": {"vat": 18}}
    found = value_of(text, **inputs)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$match(inputs.code, /[a-z]+/).match", ["ab", "cd"]),
        ("$match(inputs.code, /([a-z])([a-z])/)[1].groups", ["c", "d"]),
        ("$match(inputs.code, /[0-9]/)", None),
        ("$replace(inputs.code, /-/, '+')", "ab+cd"),
        (r"$replace(inputs.code, /(\w+)-(\w+)/, '$2-$1')", "cd-ab"),
        ("$replace(inputs.code, /[a-d]/, 'x', 2)", "xx-cd"),
        ("$split(inputs.code, /-/)", ["ab", "cd"]),
        ("$contains(inputs.code, /^AB/)", False),
        ("$contains(inputs.code, /^AB/i)", True),
        ("$contains(inputs.lines, /^two$/)", False),
        ("$contains(inputs.lines, /^two$/m)", True),
        ("$match(inputs.accented, /é/).index", [0, 2]),
    ],
)
def test_regular_expression_matches_as_jsonata_says(text: str, value: Any) -> None:
    assert value_of(text, code="ab-cd", lines="one\ntwo", accented="éaé") == value


@pytest.mark.parametrize(
    "text",
    [
        "inputs ~> |tax|{ 'vat': 1 }|",
        "inputs.tax ~> |$|{}, 'vat'|",
        "$append(inputs.years, 1)",
        "$sort(inputs.years, function($a, $b) { $a < $b })",
        "inputs.years^(>$)",
        "$merge([inputs.tax, { 'vat': 1 }])",
        "inputs.years[]",
    ],
)
def test_evaluation_leaves_its_context_as_it_is(text: str) -> None:
    inputs: dict[str, Any] = {"years": [2, 1, 3], "tax": {"vat": 18}}
    value_of(text, **inputs)
    assert inputs == {"years": [2, 1, 3], "tax": {"vat": 18}}
    assert type(inputs["years"]) is list


@pytest.mark.parametrize(
    ("text", "up_to_the_place"),
    [
        ('{ "a": inputs.a', '{ "a": inputs.a'),
        ("inputs.a +", "inputs.a +"),
        ("inputs.a)", "inputs.a)"),
        ("inputs.a b", "inputs.a b"),
        ("inputs.a == 1", "inputs.a =="),
        ('"never closed', '"never closed'),
        ("inputs.`never closed", "inputs.`never closed"),
        ("$match(inputs.a, /never closed", "$match(inputs.a, /never closed"),
    ],
)
def test_syntax_error_is_found_when_compiled_and_placed(text: str, up_to_the_place: str) -> None:
    error = compile_error(text)
    assert error.position is not None
    assert is_last_word(up_to_the_place, error.position)
    assert f"at character {error.position} of {text.rstrip()!r}" in str(error)


def is_last_word(text: str, position: int) -> bool:
    """Whether the last word of `text`, or its last character, begins at `position`."""
    return 0 < position <= len(text) and re.fullmatch(r"\$?\w+|.", text[position - 1 :], re.ASCII) is not None


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_empty_expression_is_refused(text: str) -> None:
    assert "end of expression" in str(compile_error(text))


@pytest.mark.parametrize("text", ["inputs.a /", "/* never closed", "!inputs.a", "inputs.a ! 2", "inputs.a ~ 2"])
def test_text_that_no_tokenizer_knows_is_refused_like_any_other_mistake(text: str) -> None:
    assert compile_error(text).position is not None


@pytest.mark.parametrize("text", ["(" * 2000 + "1" + ")" * 2000, "1" + " & 1" * 2000], ids=["nested", "chained"])
def test_expression_nested_too_deeply_to_compile_is_refused(text: str) -> None:
    error = compile_error(text)
    assert error.reason == "is nested too deeply"
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("text", "up_to_the_place", "said"),
    [
        ("inputs.a + 1", "inputs.a + 1", "must evaluate to a number"),
        ("1 + inputs.list", "1 + inputs.list", "must evaluate to a number"),
        ("inputs.list > 1", "inputs.list > 1", "numeric or string"),
        ("$uppercase(1) & 'x'", "$uppercase(", "uppercase does not match"),
        ("inputs.a()", "inputs.a", "non-function"),
        ("{ 1: 2 }", "{ 1", "must evaluate to a string; got: 1"),
        ('{ "a": 1, "a": 2 }', '{ "a": 1, "a"', "same key: a"),
        ("[1..100000000]", "[1..100000000", "must not exceed"),
        ("$error('no such country')", "$error(", "no such country"),
        ("$assert(false, 'no sector')", "$assert(", "no sector"),
    ],
)
def test_type_error_is_placed_and_told(text: str, up_to_the_place: str, said: str) -> None:
    error = evaluation_error(text, a="x", list=[1])
    assert error.position is not None
    assert is_last_word(up_to_the_place, error.position)
    assert said in error.reason
    assert f"at character {error.position} of {text!r}" in str(error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 + $number(inputs.a)", "could not convert string to float: 'x'"),
        ("1 / 0", "division by zero"),
        ("1 % 0", "math domain error"),
        ("$power(10, 1000)", "out of range"),
        ("$toMillis('yesterday')", "yesterday"),
        ("$parseInteger(inputs.a, '0')", "'x'"),
        (r'$encodeUrl("\ud800")', "surrogates not allowed"),
    ],
)
def test_error_of_python_s_own_is_placed_and_told(text: str, said: str) -> None:
    error = evaluation_error(text, a="x")
    assert error.position is not None
    assert 0 < error.position <= len(text)
    assert said in error.reason
    assert repr(text) in str(error)


def test_place_in_several_lines_is_told_by_the_line_and_the_whole_is_quoted() -> None:
    error = compile_error('{\n  "a": inputs.a,\n  "b": inptus.b.c\n}')
    assert 'at character 8 of line 3, \'  "b": inptus.b.c\', of \'{ "a": inputs.a, "b": inptus.b.c }\'' in str(error)


@pytest.mark.parametrize("text", ["en", "en-US", "application/pdf", "brief.md", "hello world", "Bearer abc"])
def test_text_whose_quotes_are_missing_is_answered_with_how_it_is_written(text: str) -> None:
    error = compile_error(text)
    assert f"""write it in quotes within quotes: '"{text}"'""" in error.reason
    assert value_of(f'"{text}"') == text


@pytest.mark.parametrize("text", ["input", "input.country", "inputs.a b.c", "{ 'a': en }"])
def test_mistake_in_an_expression_is_not_taken_for_a_text(text: str) -> None:
    assert "quotes within quotes" not in str(compile_error(text))


def test_error_that_the_expression_raises_keeps_its_words() -> None:
    assert evaluation_error("$error('Object 7 is missing')").reason == "Object 7 is missing"


def test_call_of_what_is_no_function_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    evaluation_error("inputs.code()", code="s3cret")
    assert capsys.readouterr().out == ""


def test_value_that_json_does_not_have_is_an_error() -> None:
    assert "NaN" in str(evaluation_error("$number('NaN')"))


@pytest.mark.parametrize(
    "text",
    ["$string", "function($x) { $x }", '{ "f": $sum }', "[[$sum]]", "$substring(?, 0, 1)", "inputs.a ~> /b/", "($f := $sum)"],
)
def test_function_as_a_result_is_an_error(text: str) -> None:
    error = evaluation_error(text, a="abc")
    assert "yields a function; call it" in str(error)
    assert error.position


@pytest.mark.parametrize("text", ["1e999", "%"])
def test_mistake_that_the_library_does_not_place_is_placed(text: str) -> None:
    assert compile_error(text).position


@pytest.mark.parametrize(
    "text", ["[1..1000]", "{'a': [1..1000]}", "[1..6].($$.inputs.long)"], ids=["values", "deep values", "one text many times"]
)
def test_result_that_does_not_fit_into_the_room_is_an_error(text: str) -> None:
    expression = Expression(text, ("inputs",))
    with pytest.raises(ExpressionError, match="yields more than can be kept"):
        expression.evaluate({"inputs": {"long": "x" * 1000}}, room=Room(values=1000, characters=5000))


def test_expressions_share_the_room_of_their_mapping() -> None:
    room = Room(values=1000)
    expression = Expression("[1..400]", ())
    assert len(expression.evaluate({}, room=room)) == 400
    expression.evaluate({}, room=room)
    with pytest.raises(ExpressionError, match="yields more than can be kept"):
        expression.evaluate({}, room=room)


def test_number_beyond_the_range_is_told_in_words() -> None:
    assert "(34," not in evaluation_error("$power(10, 1000)").reason


def test_long_expression_is_shown_around_the_place_only() -> None:
    text = "[" + "inputs.a, " * 100 + "inputs.a + 1" + ", inputs.a" * 100 + "]"
    error = evaluation_error(text, a="x")
    assert "inputs.a + 1" in str(error)
    assert len(str(error)) < 250


def test_endless_tail_recursion_ends_after_the_time_allowed() -> None:
    error = evaluation_error("($f := function($n) { $f($n + 1) }; $f(1))", longest_s=0.1)
    assert "takes longer than 0.1 s" in str(error)
    assert error.position


def test_endless_deep_recursion_is_an_error() -> None:
    error = evaluation_error("($f := function($n) { 1 + $f($n + 1) }; $f(1))")
    assert "calls itself too deeply" in str(error)
    assert error.position


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$contains(inputs.a, /(a+)+$/)", False),
        ("$match(inputs.a, /(a|aa)+$/)", None),
        ("$replace(inputs.a, /(a+)+$/, 'x')", LONG),
        ("$split(inputs.a, /(a+)+c/)", [LONG]),
    ],
)
def test_regular_expression_that_would_backtrack_for_ever_just_returns(text: str, value: Any) -> None:
    assert value_of(text, a=LONG) == value


@pytest.mark.parametrize(
    ("regex", "said"), [("(?=a)a", "(?="), ("a(?!b)", "(?!"), ("(?<=a)b", "(?<"), (r"(a)\1", r"\1"), ("a{2,1}", "{2,1}")]
)
def test_regular_expression_that_re2_does_not_know_is_refused_when_compiled(regex: str, said: str) -> None:
    error = compile_error(f"$match(inputs.a, /{regex}/)")
    assert said in error.reason
    assert "no look-around and no back-references" in error.reason


def test_regular_expression_that_is_refused_is_shown() -> None:
    error = compile_error('{ "country": inputs.country, "sector": inputs.sector, "year": $match(inputs.a, /(?=a)a/) }')
    assert error.position is not None
    assert "(?=a)a" in str(error)


def test_import_leaves_the_recursion_limit_of_the_process() -> None:
    before = "import sys; before = sys.getrecursionlimit(); "
    program = f"{before} import ops_orchestrator.modules.adapters.expression; sys.exit(before != sys.getrecursionlimit())"
    subprocess.run([sys.executable, "-c", program], check=True)


def in_threads(expression: Expression, inputs: Iterable[dict[str, Any]]) -> list[Any]:
    with ThreadPoolExecutor(16) as threads:
        return list(threads.map(lambda each: expression.evaluate({"inputs": each}), inputs))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$map(inputs.words, $substring(?, 0, 2))", "{n}"),
        ("($f := $substring(?, 0, 2); [$f(inputs.words[0]), $f(inputs.words[1])])", "{n}"),
        ("$map(inputs.words, function($word) { $substring($word, 0, 2) })", "{n}"),
        ("[inputs.words ~> $map(function($word) { $match($word, /[0-9]+/).match })]", "{n}"),
    ],
)
def test_one_expression_is_right_in_many_threads_at_once(text: str, value: str) -> None:
    numbers = range(10, 90)
    inputs = [{"words": [f"{n}x", f"{n + 1}y"]} for n in numbers]
    expected = [[value.format(n=n), value.format(n=n + 1)] for n in numbers]
    assert in_threads(Expression(text, NAMES), inputs) == expected


def test_variable_of_one_thread_is_unknown_in_another() -> None:
    text = "($early := $exists($kept); $kept := 1; $f := function($n) { $n > 0 ? $f($n - 1) : $early }; $f(inputs.n))"
    expression = Expression(text, NAMES)
    with ThreadPoolExecutor(4) as threads:
        others = [threads.submit(expression.evaluate, {"inputs": {"n": 20}}) for _ in range(200)]
        assert expression.evaluate({"inputs": {"n": 2000}}) is False
    assert not any(other.result() for other in others)


def test_time_is_counted_from_the_start_of_each_evaluation() -> None:
    expression = Expression(ENDLESS, NAMES)
    for _ in range(3):  # each takes all of the time that the next is given
        with pytest.raises(ExpressionError, match=r"takes longer than 0\.1 s"):
            expression.evaluate({"inputs": {"n": 10**9}}, longest_s=0.1)
        assert expression.evaluate({"inputs": {"n": 3}}, longest_s=0.1) == "done"


def test_depth_is_counted_from_the_start_of_each_evaluation() -> None:
    expression = Expression(DEEP, NAMES)
    for _ in range(3):
        with pytest.raises(ExpressionError, match="too deeply"):
            expression.evaluate({"inputs": {"n": 10**6}})
        assert expression.evaluate({"inputs": {"n": 5}}) == 5


def test_variable_of_one_evaluation_is_gone_in_the_next() -> None:
    expression = Expression("($seen := $exists($kept); $kept := inputs.a; $seen)", NAMES)
    assert [expression.evaluate({"inputs": {"a": 1}}) for _ in range(2)] == [False, False]


def test_expressions_of_the_same_text_are_equal() -> None:
    assert Expression("inputs.a", NAMES) == Expression("inputs.a\n", NAMES)
    assert len({Expression("inputs.a", NAMES), Expression("inputs.a", NAMES), Expression("inputs.b", NAMES)}) == 2


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('$replace("Espana", /n/, "ñ")', "España"),
        ('$replace("x", /x/, "€")', "€"),
        (r'$replace("ab", /(a)(b)/, "$2\\u0041$1")', r"b\u0041a"),
        ('$replace("ab", /(a)/, "$1$12")', "aa2b"),
        ("$string(1234567890123456)", "1234567890123456"),
        ('"id-" & 1234567890123456', "id-1234567890123456"),
    ],
)
def test_text_is_made_as_it_is_written(text: str, result: str) -> None:
    assert Expression(text, ()).evaluate({}) == result


@pytest.mark.parametrize(
    "text", ["inputs.rows{ 'k': 1 }", "inputs.rows{ k: v }", "{ 'a': inputs.rows{ k: v }, 'b': inputs.rows }"]
)
def test_grouping_of_an_empty_list_leaves_the_list_as_it_is(text: str) -> None:
    context: dict[str, Any] = {"inputs": {"rows": []}}
    Expression(text, ("inputs",)).evaluate(context)
    assert context == {"inputs": {"rows": []}}
