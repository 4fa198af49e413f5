import json

import pytest

from ops_contract.compliance.reports.json_layout import laid_out


@pytest.mark.parametrize("value", [{}, [], {"a": [1, {"b": [], "c": {}}], "d": 'x"\\ {,:} ['}, [[[1.5]], None], [{"": "é"}]])
def test_json_is_indented_as_python_does_it(value: object) -> None:
    assert laid_out(json.dumps(value, ensure_ascii=False)) == json.dumps(value, ensure_ascii=False, indent=2)


@pytest.mark.parametrize("text", ['{"a": 1.50, "a": 1e5, "b": NaN}', '{"a": "cut of', "[1, 2,]", "{\"a\"; 'b'}", "[1]\n{}"])
def test_nothing_but_white_space_changes_also_where_it_is_not_json(text: str) -> None:
    assert "".join(laid_out(text).split()) == "".join(text.split())


@pytest.mark.parametrize("text", ["plain {text}", "", "<html>", "[" * 30 + "]" * 30, "[]]]]"])
def test_what_cannot_be_read_as_json_stays_as_it_is(text: str) -> None:
    assert laid_out(text) == text
