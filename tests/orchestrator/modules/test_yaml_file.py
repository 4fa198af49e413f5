"""Reading modules.yaml: what it may not hold is refused soon, with its line."""

import json
from pathlib import Path

import pytest

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.modules.yaml_file import read_yaml

BILLIONS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BILLIONS, "more than 20000 values, counting what its aliases stand for"),
        ("a:\n  " + "[" * 100_000, ":2: the file has more than 50 levels"),
        ("a:\n" + "- {b: 1}\n" * 20_000, "more than 20000 values"),
        ("a: " + "x" * 1024 * 1024, "more than 1048576 bytes"),
        ("a:\n\tb: 1\n", ":2: not YAML"),
        ("a: 1\n---\nb: 2\n", ":2: not YAML: but found another document"),
        ("a: \0\n", "not YAML"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", ":2: the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !!binary aGk=\n", ":1: the tag"),
        ("? [a]\n: 1\n", ":1: a key must be text"),
        ("a: 1\na: 2\n", ":2: the key 'a' stands twice"),
        ("a:\n  b: NO\n", ":2: some readers of YAML take NO for true or false"),
        ("a: ${UNSET}\n", ":1: UNSET is not set"),
        ('a: 1\nb: "\\ud83d"\n', ":2: the text is not Unicode"),
        ('a: 1\n"\\ude00\\ud83d": 2\n', ":2: the text is not Unicode"),
    ],
)
def test_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "modules.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(file, {})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "message"), [("a: é\n".encode("utf-16"), "not UTF-8"), ("a: 1\nb: é\n".encode("latin-1"), ":2: it is not UTF-8")]
)
def test_file_in_another_encoding_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    file = tmp_path / "modules.yaml"
    file.write_bytes(raw)
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(file, {})
    assert message in str(caught.value)


def test_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "modules.yaml"
    file.write_text("a: 1\n", encoding="utf-8-sig")
    assert read_yaml(file, {}).value == {"a": 1}


def test_key_is_text_whatever_it_looks_like(tmp_path: Path) -> None:
    file = tmp_path / "modules.yaml"
    file.write_text("NO: 1\non: 2\n3: 4\n")
    assert read_yaml(file, {}).value == {"NO": 1, "on": 2, "3": 4}


def test_character_may_be_written_as_two_escapes_as_in_json(tmp_path: Path) -> None:
    file = tmp_path / "modules.yaml"
    file.write_text(json.dumps({"a\U0001f600": ["\U0001f600"]}))
    assert read_yaml(file, {}).value == {"a\U0001f600": ["\U0001f600"]}


def test_value_of_the_environment_that_is_not_unicode_is_refused_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "modules.yaml"
    file.write_text('a: "${KEY}"\n')
    with pytest.raises(ConfigurationError, match=r"modules\.yaml:1: the text is not Unicode") as caught:
        read_yaml(file, {"KEY": "s3cret\udcff"})
    assert "s3cret" not in str(caught.value)


def test_value_of_the_environment_counts_like_one_that_is_written(tmp_path: Path) -> None:
    file = tmp_path / "modules.yaml"
    file.write_text("a: ${A}\n")
    with pytest.raises(ConfigurationError, match="take NO for true or false"):
        read_yaml(file, {"A": "NO"})
    file.write_text('a: "${A}"\n')
    assert read_yaml(file, {"A": "NO"}).value == {"a": "NO"}
