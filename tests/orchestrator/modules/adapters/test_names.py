import pytest

from ops_orchestrator.errors import ExpressionError
from ops_orchestrator.modules.adapters.expression import Expression
from ops_orchestrator.modules.adapters.names import EVERYTHING

NAMES = ("inputs", "seed", "scenario_id", "upstream", "response")


def refused(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        Expression(text, NAMES)
    return caught.value


def upstream_of(text: str) -> set[str]:
    return set(Expression(text, NAMES).upstream)


@pytest.mark.parametrize(
    "text",
    [
        "input",
        "input.country",
        "$.input",
        "$$.input",
        "$.$$.input",
        "input[0]",
        "input[year = 1].value",
        "input^(year)",
        "input{ year: value }",
        "input@$i.$i",
        "input#$i",
        "input.*",
        "$sum(input.values)",
        "$sum(inputs.values, input)",
        "inputs.a ~> $split(input)",
        "input ~> $sum",
        "input ~> |tax|{}|",
        "[input.a]",
        "[1..input]",
        "[[[input]]]",
        '{ "a": input.a }',
        '{ input.a: "b" }',
        '{ "a": { "b": [$sum(input)] } }',
        "input ? 1 : 2",
        "inputs.a ? input : 2",
        "inputs.a ? 1 : input",
        "input ?? 1",
        "1 ?: input",
        "function($x) { input }",
        "function($x) { $sum(input) }",
        "function($x) { $x ? $sum(input) : 1 }",
        "$map(inputs.list, function($x) { $x + input })",
        "($y := input; $y)",
        "(inputs.a; input)",
        "inputs.a = input",
        "inputs.a and input",
        "1 in input",
        "'x' & input",
        "$.(input)",
        '$.{ "a": input }',
        "$.[input]",
        "inputs.list[$$.input = 1]",
        "inputs.list.$$.input",
        "inputs.list.(a + $$.input)",
        "`input`.a",
        '$."input"',
    ],
)
def test_misspelt_name_of_the_context_is_refused_where_it_stands(text: str) -> None:
    error = refused(text)
    assert error.position is not None
    assert text[error.position - 1 :].startswith("input")
    assert error.reason == "there is no 'input' here; did you mean 'inputs'?"


@pytest.mark.parametrize(
    "text",
    [
        "inputs.input",
        "inputs.tax.input.rate",
        "inputs.list[input = 1]",
        "inputs.list[$.input = 1]",
        "inputs.list.(input)",
        "inputs.list.(input; other)",
        'inputs.list.{ "a": input, "b": [input] }',
        "inputs.list.[input]",
        "inputs.list{ input: $sum(input) }",
        "inputs.list^(input, >other)",
        "inputs.list@$i.input",
        "inputs.$.input",
        "inputs.list.$sum(input)",
        "inputs ~> |input|{ 'a': input }, 'b'|",
        "$map(inputs.list, function($x) { $x.input })",
        "($i := inputs; $i.input)",
        "$lookup(inputs, 'input')",
        "*.input",
        "**.input",
        "{ 'a': 1 }.a",
        "inputs.list.%.input",
        "'input'",
    ],
)
def test_name_inside_what_was_found_is_not_checked(text: str) -> None:
    assert upstream_of(text) == set()


def test_name_like_no_other_is_answered_with_those_there_are() -> None:
    assert refused("country & 'x'").reason == "there is no 'country' here; there are: " + ", ".join(NAMES)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("inputs.first-year", "first-year"),
        ("upstream.policy-simulator.outputs", "policy-simulator"),
        ("$sum(upstream.data-layer-two.outputs.x)", "data-layer-two"),
        ("inputs.`a-b`.c-d", "c-d"),
    ],
)
def test_name_with_a_hyphen_is_answered_with_backquotes(text: str, name: str) -> None:
    assert f"a name with a hyphen is written in backquotes: `{name}`" in refused(text).reason


def test_name_that_stands_first_in_one_with_a_hyphen_is_answered_with_backquotes() -> None:
    assert "in backquotes: `policy-simulator`" in refused("policy-simulator.outputs").reason


@pytest.mark.parametrize("text", ["-input.a", "1 -input.a", "[-input.a]"])
def test_minus_before_a_misspelt_name_is_no_hyphen(text: str) -> None:
    assert refused(text).reason == "there is no 'input' here; did you mean 'inputs'?"


@pytest.mark.parametrize("name", ["sum", "exists", "not", "merge"])
def test_function_without_its_sign_is_answered_with_it(name: str) -> None:
    error = refused(f"[inputs.a, {name}(inputs.b)]")
    assert error.reason == f"there is no {name!r} here; a function is called as ${name}(...)"


@pytest.mark.parametrize("name", ["inputs", "seed"])
def test_name_of_the_context_with_a_sign_is_answered_without(name: str) -> None:
    assert f"{name!r}" in refused(f"[1, ${name}]").reason


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("now", "cannot be made again"),
        ("millis", "cannot be made again"),
        ("random", "use `seed`"),
        ("shuffle", "use `seed`"),
        ("eval", "must not be executed"),
    ],
)
@pytest.mark.parametrize(
    "text",
    ["{}", "{}()", "[1, {}(inputs.a)]", "inputs.list[{}() > 1]", "inputs.list.{}(a)", "($f := {}; $f())", "$map([1], {})"],
)
def test_function_that_makes_a_run_unrepeatable_is_refused_wherever_it_stands(name: str, said: str, text: str) -> None:
    text = text.replace("{}", f"${name}")
    error = refused(text)
    assert error.position is not None
    assert text[error.position - 1 :].startswith(f"${name}")
    assert error.reason.startswith(f"${name} cannot be used: ")
    assert said in error.reason


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$summ(inputs.a)", "there is no $summ; did you mean $sum?"),
        ("[$xyzzy(1)]", "there is no $xyzzy"),
        ("($rate := 1; $rat)", "there is no $rat; did you mean $rate?"),
        ("function($x) { $y }", "there is no $y"),
        ("inputs.list[$year = 1]", "there is no $year"),
        ("inputs.list.{ 'a': $year }", "there is no $year"),
        ("inputs ~> |tax|{ 'a': $year }|", "there is no $year"),
        ("inputs.list^($year)", "there is no $year"),
    ],
)
def test_function_or_variable_that_nothing_makes_is_refused(text: str, said: str) -> None:
    assert said in refused(text).reason


@pytest.mark.parametrize(
    "text",
    [
        "($rate := 1; $rate)",
        "($rate := 1; { 'a': [$rate] })",
        "inputs.list[($rate := 1; year = $rate)]",
        "function($rate) { $rate }",
        "λ($rate) { $rate }",
        "function($a, $b) { function($c) { $a + $b + $c } }",
        "function($n) { $n }",
        "($f := function($n) { $n < 2 ? 1 : $n * $f($n - 1) }; $f(3))",
        "inputs.list@$entry.{ 'a': $entry }",
        "inputs.list#$at.{ 'a': $at }",
        "inputs.list#$at[$at < 2]",
        "$map(inputs.list, function($item, $at) { $at })",
        "$reduce(inputs.list, $max)",
        "$",
        "$$",
        "[$, $$]",
        "inputs.list[$ > 1]",
    ],
)
def test_variable_that_the_expression_makes_is_known(text: str) -> None:
    assert upstream_of(text) == set()


@pytest.mark.parametrize(
    "text", ['inputs["country"]', "inputs.list['country']", 'inputs.list[0]["country"]', 'upstream["country"]']
)
def test_text_as_a_filter_is_refused_with_what_was_meant(text: str) -> None:
    error = refused(text)
    assert "filters nothing" in error.reason
    assert ".`country`" in error.reason
    assert error.position is not None
    assert "country" in text[: error.position]


def test_text_that_a_filter_compares_with_is_fine() -> None:
    assert upstream_of("inputs.list[name = 'country'][0]") == set()


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("upstream.a", {"a"}),
        ("upstream.`b-c`.outputs", {"b-c"}),
        ('upstream."b-c".outputs', {"b-c"}),
        ("$$.upstream.d", {"d"}),
        ("$.upstream.d", {"d"}),
        ("upstream.a[0].outputs", {"a"}),
        ("upstream.a{ b: c }", {"a"}),
        ("upstream.a.raw.upstream.b", {"a"}),
        ("upstream.a.(b)", {"a"}),
        ("upstream.a.($$.upstream.b)", {"a", "b"}),
        ("upstream.a[$$.upstream.b.x = y]", {"a", "b"}),
        ("(upstream.a).outputs", {"a"}),
        ('{ "x": upstream.a, "y": [upstream.b, $sum(upstream.c)] }', {"a", "b", "c"}),
        ("function($x) { upstream.a }", {"a"}),
        ("inputs.a ? upstream.a : upstream.b", {"a", "b"}),
        ("upstream.a ~> $sum", {"a"}),
        ("-upstream.a + upstream.a", {"a"}),
        ("inputs.list.($$.upstream.a)", {"a"}),
    ],
)
def test_step_named_in_the_expression_is_collected(text: str, steps: set[str]) -> None:
    assert upstream_of(text) == steps
    assert ("upstream",) not in Expression(text, NAMES).reads


@pytest.mark.parametrize(
    "text", ["upstream", "upstream.*", "$$.upstream.*", '$lookup(upstream, "x")', "[upstream.a, upstream]", "$string(upstream)"]
)
def test_expression_that_uses_upstream_as_a_whole_may_read_any_step(text: str) -> None:
    assert ("upstream",) in Expression(text, NAMES).reads


@pytest.mark.parametrize(
    "text",
    [
        "upstream",
        "upstream.*",
        '$lookup(upstream, "x")',
        "$keys(upstream)",
        "$each(upstream, function($step, $id) { { $id: $step.outputs } })",
        "inputs.upstream.a",
        "inputs.list.(upstream.a)",
        "inputs.list[upstream.a]",
        "($u := upstream; $u.a)",
        "'upstream.a'",
    ],
)
def test_step_that_is_looked_up_when_it_is_evaluated_is_not_collected(text: str) -> None:
    assert upstream_of(text) == set()


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("inputs.rates.vat", {("inputs", "rates", "vat")}),
        ("upstream.`a-b`.outputs.kpis.gdp", {("upstream", "a-b", "outputs", "kpis", "gdp")}),
        ("upstream.a.outputs.rows[0].x", {("upstream", "a", "outputs", "rows", "x")}),
        ("upstream.a.outputs.rows[year = 1].x", {("upstream", "a", "outputs", "rows")}),
        ("$$.upstream.a", {("upstream", "a")}),
        ("$.{'x': upstream.a.outputs.x}", {("upstream", "a", "outputs", "x")}),
        ("inputs@$i.upstream.a", {("inputs",), ("upstream", "a")}),
        ("inputs.rate ~> $string()", {("inputs", "rate")}),
        ("inputs.rates.$keys()", {("inputs", "rates")}),
        ("upstream.a.(outputs.x)", {("upstream", "a")}),
        ("upstream.*.outputs", {("upstream",)}),
        ('$lookup(upstream, "a")', {("upstream",)}),
        ("($u := upstream.a; $u.outputs)", {("upstream", "a")}),
        ('{ "s": seed, "c": $$.inputs.country }', {("seed",), ("inputs", "country")}),
        ("'inputs.x'", set()),
    ],
)
def test_paths_from_the_context_are_collected_as_far_as_they_are_plain_names(text: str, paths: set[tuple[str, ...]]) -> None:
    assert Expression(text, NAMES).reads == paths


@pytest.mark.parametrize(
    "text",
    [
        "**.kpis.a",
        "*.a.outputs",
        "$.*",
        "$$",
        "$",
        "$[0]",
        "$^(seed)",
        "$$[upstream.a.done].inputs",
        "inputs.list.$$",
        '$lookup($$, "upstream").a',
        '$lookup("upstream").a',
        '$ ~> $lookup("upstream")',
        "$string()",
        "$each(function($value, $name) { $value })",
        "($c := $$; $c.upstream.a)",
        "($c := $; $c.upstream.a)",
        "$$@$c.inputs.($c.upstream.a)",
        "inputs.(%.upstream.a)",
        '${"a": upstream.a}',
    ],
)
def test_expression_that_uses_the_context_in_a_way_of_which_no_path_can_be_told_reads_everything(text: str) -> None:
    assert EVERYTHING in Expression(text, NAMES).reads
