"""`${NAME}` and `${NAME:-default}` in modules.yaml."""

import pytest

from ops_orchestrator.modules.references import BadReferenceError, resolved

SET = {"A": "a", "B": "b"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "a"),
        ("x${A}y${B}z", "xaybz"),
        ("${A:-${B}}", "a"),
        ("${C:-c}", "c"),
        ("${C:-}", ""),
        ("${C:-${B:-c}}", "b"),
        ("${C:-${D:-http://127.0.0.1:80/base}}", "http://127.0.0.1:80/base"),
        ("${C:-x${D:-y${A}}z}", "xyaz"),
        ("${A:-${UNSET}}", "a"),
        ('{"a": $x, "b": {"c": $$}}', '{"a": $x, "b": {"c": $$}}'),
        ('$${"k": 1}', '$${"k": 1}'),
        ("} ${A} }", "} a }"),
    ],
)
def test_references_are_resolved_from_the_inside(text: str, value: str) -> None:
    assert resolved(text, SET.get) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${C}", "C is not set; set it or write ${C:-default}"),
        ("${C:-${D}}", "D is not set"),
        ("${A", "not closed"),
        ("${A:-${B}", "not closed"),
        ("${A-x}", "write ${A} or ${A:-default}"),
        ("${A:?x}", "write ${A} or ${A:-default}"),
        ("${A:+x}", "write ${A} or ${A:-default}"),
        ("${A B}", "write ${A} or ${A:-default}"),
        ("${C:-" * 1000 + "}" * 1000, "references are nested deeper than 20 levels"),
        ("${A${B}}", "write ${A} or ${A:-default}"),
    ],
)
def test_reference_that_cannot_be_resolved_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(BadReferenceError) as caught:
        resolved(text, SET.get)
    assert message in str(caught.value)
