from pathlib import Path
from typing import Any

import pytest
import yaml

from ops_contract import ShapeError, validate
from ops_orchestrator.modules.adapters.declaration import Action, Adapter
from ops_orchestrator.modules.catalogue import load_catalogue

EVERYTHING: dict[str, Any] = {
    "artifacts_root": "/srv/shared",
    "health": {"path": "/ping", "version": "response.body.version"},
    "actions": {
        "score": {
            "method": "PUT",
            "path": "/countries/{inputs.country}/score",
            "query": {"last": 5, "full": True},
            "headers": {"X-Run": "run_id"},
            "body": '{\n  "sector": inputs.sector,\n  "rate": upstream.model.outputs.rate\n}\n',
            "timeout_s": 120,
            "retries": 0,
            "backoff_s": 1.5,
            "outputs": '{ "score": response.body.score }',
            "failure": {
                "when": "response.body.error",
                "message": "response.body.error",
                "code": "response.body.code",
                "retryable": False,
            },
            "evidence": "response.body.sources",
            "warnings": "response.body.notes",
            "version": "response.body.version",
            "artifacts": [
                {"each": "response.body.files", "path": "item.path", "sha256": "item.hash"},
                {"name": '"brief.md"', "media_type": '"text/markdown"', "text": "response.body.brief"},
                {"name": '"chart.png"', "base64": "response.body.chart"},
                {},
            ],
        },
        "report": {"method": "GET", "path": "/report", "answer": "binary"},
    },
}


def adapter(**fields: Any) -> Adapter:
    return validate(Adapter, {"actions": {"score": {"path": "/score"}}, **fields}, "adapter")


def action(**fields: Any) -> Action:
    return validate(Action, {"path": "/score", **fields}, "action")


def problem_of(model: type[Adapter | Action], value: Any) -> tuple[str, str]:
    with pytest.raises(ShapeError) as caught:
        validate(model, value, "declaration")
    return caught.value.problems[0].pointer, caught.value.problems[0].message


def test_action_that_says_its_path_only_posts_and_takes_the_whole_answer() -> None:
    declared = action()
    assert (declared.method, declared.path.text, declared.answer) == ("POST", "/score", "json")
    assert (declared.body, declared.outputs, declared.artifacts, declared.call_options) == (None, None, (), {})


def test_action_s_own_call_options_are_those_it_sets() -> None:
    assert action(timeout_s=5, retries=0).call_options == {"timeout_s": 5.0, "retries": 0}


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/{upstream.model.outputs.id}"},
        {"query": {"id": "upstream.model.outputs.id"}},
        {"headers": {"X-Id": "upstream.model.outputs.id"}},
        {"body": "upstream.model.raw"},
        {"outputs": "upstream.model.outputs"},
        {"evidence": "upstream.model.evidence"},
        {"version": "upstream.model.version"},
        {"failure": {"when": "upstream.model.warnings"}},
        {"artifacts": [{"name": '"a"', "text": "upstream.model.raw"}]},
    ],
)
def test_step_that_any_part_refers_to_must_come_before(fields: dict[str, Any]) -> None:
    assert action(**fields).upstream == {"model"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(5, "5"), (1.5, "1.5"), (0, "0"), (True, "true"), (False, "false"), ("inputs.a\n", "inputs.a")],
)
def test_number_and_boolean_are_expressions_that_mean_themselves(value: Any, text: str) -> None:
    assert action(query={"last": value}).query["last"].text == text


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"path": None}, "/path", "must be a path like /score"),
        ({"path": ["/score"]}, "/path", "must be a path like /score"),
        ({"path": "score"}, "/path", "must be a path like /score"),
        ({"path": "/{response.body}"}, "/path", "there is no 'response' here"),
        ({"method": "TRACE"}, "/method", "must be 'GET', 'POST'"),
        ({"method": "get"}, "/method", "must be 'GET', 'POST'"),
        ({"answer": "pdf"}, "/answer", "must be 'json', 'text' or 'binary', not 'pdf'"),
        ({"timeout_s": 0}, "/timeout_s", "must be greater than 0"),
        ({"timeout_s": "5"}, "/timeout_s", "must be a number"),
        ({"retries": -1}, "/retries", "must be greater than or equal to 0"),
        ({"retries": 101}, "/retries", "must be less than or equal to 100"),
        ({"retries": 1.5}, "/retries", "must be an integer"),
        ({"backoff_s": -1}, "/backoff_s", "must be greater than or equal to 0"),
        ({"body": {"a": "inputs.a"}}, "/body", "must be a JSONata expression; write it as text"),
        ({"body": "response.body"}, "/body", "there is no 'response' here"),
        ({"body": "inputs."}, "/body", "at character 7 of 'inputs.'"),
        ({"outputs": {"a": "inputs.a"}}, "/outputs", "must be a JSONata expression; write it as text"),
        ({"outputs": "item"}, "/outputs", "there is no 'item' here"),
        ({"query": ["iso"]}, "/query", "must be an object"),
        ({"query": {"iso": None}}, "/query/iso", "must be a JSONata expression"),
        ({"query": {"iso": ["DO"]}}, "/query/iso", "must be a JSONata expression"),
        ({"headers": {"Host": "'x'"}}, "/headers/Host", "cannot be set as a header"),
        ({"headers": {"content-length": 5}}, "/headers/content-length", "cannot be set as a header"),
        ({"headers": {"Transfer-Encoding": "'x'"}}, "/headers/Transfer-Encoding", "cannot be set as a header"),
        ({"headers": {"Connection": "'x'"}}, "/headers/Connection", "cannot be set as a header"),
        ({"headers": {"X A": "'x'"}}, "/headers/X A", "cannot be set as a header"),
        ({"headers": {"X\r\nY": "'x'"}}, "/headers/X\r\nY", "cannot be set as a header"),
        ({"headers": {"": "'x'"}}, "/headers/", "cannot be set as a header"),
        ({"artifacts": {"name": "'x'"}}, "/artifacts", "must be an array"),
        ({"artifacts": [{"each": "item"}]}, "/artifacts/0/each", "there is no 'item' here"),
        ({"artifacts": [{}, {"name": "'a'", "text": "1", "base64": "2"}]}, "/artifacts/1", "text, base64"),
        ({"artifacts": [{"text": "1", "path": "2"}]}, "/artifacts/0", "text, path"),
        ({"artifacts": [{"sha256": "item.hash"}]}, "/artifacts/0", "sha256 but no path"),
        ({"artifacts": [{"text": "1"}]}, "/artifacts/0", "text but no name"),
        ({"artifacts": [{"base64": "1"}]}, "/artifacts/0", "base64 but no name"),
        ({"failure": {"when": "response.bod y"}}, "/failure/when", "at character 14"),
        ({"failure": {"status": "1"}}, "/failure/status", "is not a known field"),
        ({"outpust": "1"}, "/outpust", "is not a known field"),
        ({"artifacts": [{"file": "1"}]}, "/artifacts/0/file", "is not a known field"),
    ],
)
def test_action_that_cannot_be_used_is_refused_with_a_pointer(fields: dict[str, Any], pointer: str, said: str) -> None:
    found = problem_of(Action, {"path": "/score", **fields})
    assert found[0] == pointer
    assert said in found[1]


def test_item_of_an_artifact_without_each_is_refused() -> None:
    assert "'item'" in problem_of(Action, {"path": "/score", "artifacts": [{"name": "item.name", "text": "'x'"}]})[1]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53])
def test_number_that_json_cannot_carry_is_refused_with_a_pointer(value: float) -> None:
    assert problem_of(Action, {"path": "/score", "query": {"last": value}})[0] == "/query/last"


def test_header_that_stands_twice_in_other_letters_is_refused() -> None:
    assert "headers" in problem_of(Action, {"path": "/score", "headers": {"X-Run": "run_id", "x-run": "run_id"}})[0]


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"actions": None}, "/actions", "must be an object"),
        ({"actions": {"a b": {"path": "/x"}}}, "/actions/a b", "must match pattern"),
        ({"actions": {"score": {}}}, "/actions/score/path", "is required"),
        ({"actions": {"score": "/score"}}, "/actions/score", "must be an object"),
        ({"health": "ping"}, "/health/path", "must be a path like /score"),
        ({"health": {"version": "response.body"}}, "/health/path", "is required"),
        ({"health": {"path": "/{inputs.a}"}}, "/health/path", "there is no 'inputs' here"),
        ({"health": {"path": "/ping", "version": "inputs.a"}}, "/health/version", "there is no 'inputs' here"),
        ({"health": {"path": "/ping", "method": "GET"}}, "/health/method", "is not a known field"),
        ({"helth": "/ping"}, "/helth", "is not a known field"),
        ({"artifacts_root": "shared"}, "/artifacts_root", "must be an absolute path"),
        ({"artifacts_root": 5}, "/artifacts_root", "path"),
    ],
)
def test_adapter_that_cannot_be_used_is_refused_with_a_pointer(fields: dict[str, Any], pointer: str, said: str) -> None:
    found = problem_of(Adapter, {"actions": {"score": {"path": "/score"}}, **fields})
    assert found[0] == pointer
    assert said in found[1]


def test_artifact_from_a_path_needs_a_root() -> None:
    actions = {"score": {"path": "/score", "artifacts": [{"path": "response.body.file"}]}}
    said = "takes artifacts from a path in its action 'score', but has no artifacts_root"
    assert problem_of(Adapter, {"actions": actions})[1] == said
    assert adapter(actions=actions, artifacts_root="/srv/shared").artifacts_root == Path("/srv/shared")


def test_adapter_without_actions_is_told_in_plain_words() -> None:
    assert "Dictionary" not in problem_of(Adapter, {"actions": {}})[1]


@pytest.mark.parametrize(
    ("given", "path"), [("/ping", "/ping"), ({"path": "/ping"}, "/ping"), ("none", None), (None, None)], ids=str
)
def test_health_is_a_path_or_none(given: Any, path: str | None) -> None:
    health = adapter(health=given).health
    assert (health.path.text if health else None) == path


def test_adapter_that_does_not_speak_of_health_has_none() -> None:
    assert adapter().health is None


def reloaded(declared: dict[str, Any], folder: Path) -> Adapter:
    file = folder / "modules.yaml"
    file.write_text(yaml.safe_dump({"modules": {"legacy": {"url": "http://legacy.test", "adapter": declared}}}))
    found = load_catalogue(file, {}).modules["legacy"].adapter
    assert found is not None
    return found


@pytest.mark.parametrize(
    "declaration",
    [
        EVERYTHING,
        {"actions": {"score": {"path": "/score"}}},
        {"base": "integration-spec-1.0"},
        {"base": "integration-spec-1.0", "health": "none", "actions": {"execute": {"body": "inputs"}}},
    ],
    ids=["everything", "least", "built in", "built in, changed"],
)
def test_declaration_in_effect_could_stand_in_the_file(tmp_path: Path, declaration: dict[str, Any]) -> None:
    loaded = reloaded(declaration, tmp_path)
    again = reloaded(loaded.declared(), tmp_path)
    assert again.declared() == loaded.declared()
    assert fingerprints(again) == fingerprints(loaded)


@pytest.mark.parametrize("taken_away", [{"artifacts": []}, {"failure": {}}, {"body": None}], ids=str)
def test_declaration_in_effect_keeps_away_what_was_taken_from_the_built_in(tmp_path: Path, taken_away: dict[str, Any]) -> None:
    loaded = reloaded({"base": "integration-spec-1.0", "actions": {"execute": taken_away}}, tmp_path)
    assert fingerprints(reloaded(loaded.declared(), tmp_path)) == fingerprints(loaded)


def test_declaration_in_effect_shows_each_part_as_it_was_written() -> None:
    declared = validate(Adapter, EVERYTHING, "adapter").declared()
    score = declared["actions"]["score"]
    assert (declared["artifacts_root"], declared["health"]) == ("/srv/shared", EVERYTHING["health"])
    assert score["query"] == {"last": "5", "full": "true"}
    assert score["body"] == EVERYTHING["actions"]["score"]["body"].rstrip()
    assert score["artifacts"] == EVERYTHING["actions"]["score"]["artifacts"]


def test_declaration_in_effect_leaves_out_what_is_empty_and_says_that_there_is_no_health() -> None:
    least = {"method": "POST", "path": "/score", "answer": "json"}
    assert adapter().declared() == {"health": "none", "actions": {"score": least}}


def test_secrets_are_masked_in_the_declaration_in_effect() -> None:
    secrets = {"headers": {"Authorization": "'Bearer s3cret'", "X-Run": "run_id"}, "query": {"api_key": "'s3cret'", "n": 5}}
    declared = adapter(actions={"score": {"path": "/score", **secrets}}).declared()
    score = declared["actions"]["score"]
    assert score["headers"] == {"Authorization": "***", "X-Run": "run_id"}
    assert score["query"] == {"api_key": "***", "n": "5"}
    assert "s3cret" not in str(declared)


def test_header_that_is_declared_secret_is_masked_in_the_declaration_in_effect_and_has_no_part_in_the_fingerprint() -> None:
    first, second = (
        adapter(secret_headers=["x-entry"], actions={"score": {"path": "/score", "headers": {"X-Entry": f"'{word}'"}}})
        for word in ("one", "two")
    )
    assert first.declared() == second.declared()
    assert first.declared()["actions"]["score"]["headers"] == {"X-Entry": "***"}
    assert first.declared()["secret_headers"] == ["x-entry"]
    assert fingerprints(first) == fingerprints(second)


def fingerprints(adapter: Adapter) -> dict[str, str]:
    return {action: adapter.fingerprint(action) for action in adapter.actions}


def fingerprint(*, root: str = "/srv/shared", health: Any = "none", name: str = "score", **fields: Any) -> str:
    actions = {name: {"path": "/score", **fields}}
    return adapter(actions=actions, artifacts_root=root, health=health).fingerprint("score")


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/risk"},
        {"method": "PUT"},
        {"query": {"last": 5}},
        {"headers": {"X-Run": "run_id"}},
        {"headers": {"Authorization": "'s3cret'"}},
        {"body": "inputs"},
        {"answer": "text"},
        {"outputs": '{ "a": response.body }'},
        {"evidence": "response.body.sources"},
        {"warnings": "response.body.notes"},
        {"version": "response.body.version"},
        {"failure": {"when": "response.body.error"}},
        {"artifacts": [{}]},
        {"artifacts": [{"path": "response.body.file"}]},
    ],
    ids=str,
)
def test_fingerprint_changes_with_every_mapping(fields: dict[str, Any]) -> None:
    assert fingerprint(**fields) != fingerprint()


@pytest.mark.parametrize(
    "fields",
    [{"timeout_s": 5}, {"retries": 7}, {"backoff_s": 9}, {"root": "/mnt"}, {"health": "/ping"}],
    ids=str,
)
def test_fingerprint_stays_when_only_the_way_of_calling_changes(fields: dict[str, Any]) -> None:
    assert fingerprint(**fields) == fingerprint()


def test_fingerprint_stays_when_a_secret_changes() -> None:
    first, second = (fingerprint(headers={"X-Api-Key": f"'{secret}'"}) for secret in ("one", "two"))
    assert first == second


def test_fingerprint_stays_when_a_built_in_adapter_is_written_out(tmp_path: Path) -> None:
    named = reloaded({"base": "integration-spec-1.0"}, tmp_path)
    written_out = {name: value for name, value in named.declared().items() if name != "base"}
    assert fingerprints(reloaded(written_out, tmp_path)) == fingerprints(named)
