import pytest

from ops_orchestrator.errors import ExpressionError
from ops_orchestrator.modules.adapters.expression import Expression
from ops_orchestrator.modules.adapters.path_template import PathTemplate

NAMES = ("inputs", "upstream")


def filled(text: str, **values: str) -> str:
    return PathTemplate(text, NAMES).filled(lambda expression: values[expression.text.strip().removeprefix("inputs.")])


@pytest.mark.parametrize("text", ["/", "/score", "/v1/countries/DO:risk", "/a;b=1/~c", "/caf%C3%A9", "/a/", "/..."])
def test_path_without_expressions_stays_as_it_is(text: str) -> None:
    template = PathTemplate(text, ())
    assert template.expressions == ()
    assert template.filled(lambda _: "never asked") == text


def test_values_take_the_places_of_their_expressions() -> None:
    assert filled("/countries/{inputs.country}/{ inputs.year }.json", country="DO", year="2026") == "/countries/DO/2026.json"


def test_expressions_are_kept_in_order() -> None:
    template = PathTemplate("/{inputs.a}/{upstream.b.outputs.id}", NAMES)
    assert template.expressions == (Expression("inputs.a", NAMES), Expression("upstream.b.outputs.id", NAMES))
    assert template.text == "/{inputs.a}/{upstream.b.outputs.id}"


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("a/b", "a%2Fb"),
        ("../admin", "..%2Fadmin"),
        ("a?b=1#c", "a%3Fb=1%23c"),
        ("a;b", "a;b"),
        ("a&b=c@d!e:f$g+h*i,j(k)~", "a&b=c@d!e:f$g+h*i,j(k)~"),
        ("%2e%2e", "%252e%252e"),
        ("Côte d'Ivoire", "C%C3%B4te%20d'Ivoire"),
        ("{inputs.b}", "%7Binputs.b%7D"),
        ("a\r\nHost: evil", "a%0D%0AHost:%20evil"),
    ],
)
def test_value_cannot_leave_its_segment(value: str, encoded: str) -> None:
    assert filled("/x/{inputs.a}/y", a=value) == f"/x/{encoded}/y"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "score",
        "{inputs.a}",
        "http://evil.test/",
        "/a?b=1",
        "/a#b",
        "/a b",
        "/é",
        "/a\n",
        "/a\\b",
        "/{inputs.a",
        "/inputs.a}",
        "/{{inputs.a}}",
        '/{ {"a": 1}.a }',
    ],
)
def test_text_that_is_no_path_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be a path like /score or /countries/\{inputs\.country\}/score"):
        PathTemplate(text, NAMES)


@pytest.mark.parametrize("text", ["/../admin", "/a/./b", "/a/..", "/."])
def test_path_with_segments_of_dots_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must not hold the segments \. and \.\."):
        PathTemplate(text, NAMES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/{}", "end of expression"),
        ("/{inputs.a & }", "end of expression, at character 10 of 'inputs.a &'"),
        ("/a/{inpts.a}", "did you mean 'inputs'?, at character 1 of 'inpts.a'"),
        ("/a/{response.body}", "there is no 'response' here"),
        ("/a/{$now()}", "$now cannot be used"),
    ],
)
def test_expression_that_is_wrong_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        PathTemplate(text, NAMES)
    assert said in str(caught.value)


def test_expression_where_there_are_no_names_is_told_so() -> None:
    with pytest.raises(ExpressionError) as caught:
        PathTemplate("/{inputs.a}", ())
    assert "there are: ," not in str(caught.value)
