"""modules.json: what a run that goes on takes from it, and what from the modules.yaml of today."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from local_service import ROOT

from ops_contract import ContractError, JsonError, ShapeError
from ops_orchestrator.errors import ChangedModuleError
from ops_orchestrator.masking import Secrets
from ops_orchestrator.modules.adapters import BUILT_IN
from ops_orchestrator.modules.catalogue import Catalogue, load_catalogue
from ops_orchestrator.modules.frozen_modules import freeze_modules, recorded_modules, restore_modules
from ops_orchestrator.modules.module import Module

SECRETS: Final = {"RISK_TOKEN": "r1sk+token", "TENANT": "ten4nt", "SECRET_PATH": "p4th-key"}

EVERYTHING: Final = r"""
defaults: { timeout_s: 50, retries: 1 }
modules:
  alpha: { url: "http://alpha/${SECRET_PATH}", actions: [execute, score], step_timeout_s: 90, image_digest: "sha256:a" }
  beta:
    url: http://beta
    adapter:
      secret_headers: [X-Entry]
      health: { path: "/health/${SECRET_PATH}", version: response.body.version }
      artifacts_root: /srv/shared
      actions:
        score:
          path: "/score/{inputs.country}"
          method: PUT
          timeout_s: 7
          retries: 0
          backoff_s: 0.25
          query: { last: 5, api_key: '"c0nstant"', tenant: '"${TENANT}"' }
          headers: { authorization: '"Bearer ${RISK_TOKEN}"', x-entry: '"hidden entry"', X-Plain: step_id }
          body: |
            { "país": inputs.country, "token": "${RISK_TOKEN}", "stars": "***" }
          failure: { when: response.body.failed, message: '"${RISK_TOKEN}"' }
          outputs: "{ 'sign': '\u007f\u009b\u202e😀', 'all': response.body.outputs }"
          evidence: response.body.sources
          warnings: response.body.notes
          version: response.body.version
          artifacts:
            - { name: '"a.txt"', text: response.body.text }
            - { each: response.body.files, name: item.name, base64: item.data, media_type: item.type }
            - { each: response.body.paths, path: item.path, sha256: item.hash }
        report: { path: /report, answer: binary, body: upstream.alpha.raw, artifacts: [{}] }
"""


def load(text: str, **environment: str) -> Catalogue:
    return load_catalogue(Path("modules.yaml"), {**SECRETS, **environment}, text.encode())


def adapted(action: str, options: str = "", **environment: str) -> Catalogue:
    """A modules.yaml with `beta`, whose adapter has one action `score`."""
    adapter = f"    adapter:\n      actions:\n        score: {{ path: /s, {action} }}\n"
    return load(f"modules:\n  beta:\n    url: http://beta\n{options}{adapter}", **environment)


def frozen(catalogue: Catalogue) -> bytes:
    return freeze_modules(catalogue, catalogue.modules)


def entries(content: bytes) -> dict[str, dict[str, Any]]:
    return dict(json.loads(content)["modules"])


def declared(modules: Mapping[str, Module]) -> dict[str, Any]:
    return {name: module.declared() for name, module in modules.items()}


def texts_of_the_repository() -> list[str]:
    documented = re.findall(r"```yaml\n(modules:.*?)```", (ROOT / "docs/adapters.md").read_text(), re.DOTALL)
    shipped = [(ROOT / file).read_text() for file in ("modules.yaml", "examples/adapters/modules.yaml")]
    built_in = [f"modules: {{ x: {{ url: http://x, adapter: {name} }} }}" for name in BUILT_IN]
    return [EVERYTHING, *shipped, *documented, *built_in]


@pytest.mark.parametrize("text", texts_of_the_repository())
def test_modules_that_are_registered_as_before_are_restored_whole(text: str) -> None:
    catalogue = load(text)
    restored = restore_modules(frozen(catalogue), catalogue).modules
    assert restored == catalogue.modules
    assert [module.secrets for module in restored.values()] == [module.secrets for module in catalogue.modules.values()]


def test_document_has_the_modules_of_the_run_as_they_are_shown() -> None:
    catalogue = load(EVERYTHING)
    content = freeze_modules(catalogue, ["beta", "beta"])
    assert json.loads(content) == {"modules": {"beta": catalogue.modules["beta"].declared()}}
    assert content == freeze_modules(load(EVERYTHING), ["beta"])


def test_document_shows_no_secret_and_nothing_that_a_terminal_obeys() -> None:
    content = frozen(load(EVERYTHING))
    assert not any(secret in content.decode() for secret in (*SECRETS.values(), "c0nstant", "hidden entry"))
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in content)


TODAY: Final = """
modules:
  alpha: { url: http://elsewhere, timeout_s: 5, ready_timeout_s: 1, retries: 9, backoff_s: 3, image_digest: "sha256:b" }
"""


def test_how_long_and_where_a_module_is_called_is_that_of_today_and_its_actions_those_of_the_run() -> None:
    alpha = restore_modules(freeze_modules(load(EVERYTHING), ["alpha"]), load(TODAY)).modules["alpha"]
    today = load(TODAY).modules["alpha"]
    assert alpha == today.model_copy(update={"actions": ("execute", "score")})


def test_request_of_a_resumed_run_gives_the_module_as_long_as_before_while_we_wait_as_long_as_today() -> None:
    began = load("modules: { beta: { url: http://b, timeout_s: 5 } }")
    beta = restore_modules(frozen(began), load("modules: { beta: { url: http://b, timeout_s: 50 } }")).modules["beta"]
    assert (beta.timeout_s, beta.deadline_s("execute")) == (50.0, 4.0)


def test_action_of_a_resumed_run_gives_the_module_as_long_as_its_own_time_out_said() -> None:
    began, now = (adapted(f"timeout_s: {timeout_s}") for timeout_s in (3, 9))
    score = restore_modules(frozen(began), now).modules["beta"].for_action("score")
    assert (score.timeout_s, score.deadline_s("score")) == (9.0, 2.0)


def test_deadline_of_the_first_run_is_that_of_each_run_that_reproduces_it() -> None:
    first, second, third = (load(f"modules: {{ beta: {{ url: http://b, timeout_s: {seconds} }} }}") for seconds in (5, 50, 70))
    again = restore_modules(frozen(restore_modules(frozen(first), second)), third)
    assert again.modules["beta"].deadline_s("execute") == 4.0
    assert recorded_modules(frozen(again)).modules["beta"].deadline_s("execute") == 4.0


def test_modules_that_are_restored_with_the_same_time_outs_are_frozen_as_before() -> None:
    content = frozen(load(EVERYTHING))
    assert frozen(restore_modules(content, load(EVERYTHING))) == content


@pytest.mark.parametrize("text", texts_of_the_repository())
def test_modules_are_read_from_their_document_alone_and_show_what_it_shows(text: str) -> None:
    content = frozen(load(text))
    assert frozen(recorded_modules(content)) == content


def test_document_that_means_nothing_without_its_secret_is_refused_with_what_to_do() -> None:
    with pytest.raises(ChangedModuleError, match="Reproduce the run with its modules"):
        recorded_modules(frozen(adapted("outputs: response.body.ten4nt, query: {tenant: '\"${TENANT}\"'}")))


def test_module_that_has_an_adapter_today_is_called_as_the_run_began() -> None:
    began = load("modules: { beta: { url: http://old } }")
    beta = restore_modules(frozen(began), adapted("body: inputs")).modules["beta"]
    assert (beta.url, beta.adapter, beta.actions) == ("http://beta", None, ("execute",))


def test_module_that_lost_its_adapter_is_called_through_the_one_that_it_had() -> None:
    began = adapted("body: inputs, timeout_s: 3", options="    retries: 7\n")
    beta = restore_modules(frozen(began), load("modules: { beta: { url: http://new } }")).modules["beta"]
    assert (beta.url, beta.retries) == ("http://new", 2)
    assert beta.adapter == began.modules["beta"].adapter


def test_mapping_is_that_of_the_run_and_what_cannot_change_a_result_that_of_today() -> None:
    began = adapted("body: inputs, outputs: response.body.a, timeout_s: 3, retries: 0")
    now = """
modules:
  beta:
    url: http://new
    adapter:
      health: /live
      actions:
        score: { path: /other, body: seed, backoff_s: 2 }
        added: { path: /added }
"""
    beta = restore_modules(frozen(began), load(now)).modules["beta"]
    assert beta.declared()["adapter"] == {
        "health": {"path": "/live"},
        "actions": {
            "score": {
                "method": "POST",
                "path": "/s",
                "body": "inputs",
                "backoff_s": 2.0,
                "answer": "json",
                "outputs": "response.body.a",
            }
        },
    }


@pytest.mark.parametrize("text", [EVERYTHING, (ROOT / "examples/adapters/modules.yaml").read_text()])
def test_fingerprint_of_an_action_stays_when_time_outs_and_places_change(text: str) -> None:
    began = load(text)
    changed = re.sub(r"(timeout_s|retries): [0-9.]+", r"\1: 11", text).replace("http://", "http://new.").replace("/srv", "/mnt")
    restored = restore_modules(frozen(began), load(changed)).modules
    assert declared(restored) == declared(load(changed).modules) != declared(began.modules)
    for name, module in began.modules.items():
        for action in module.adapter.actions if module.adapter else ():
            adapter = restored[name].adapter
            assert adapter
            assert module.adapter
            assert adapter.fingerprint(action) == module.adapter.fingerprint(action)


def test_secret_has_the_value_of_today_in_every_place() -> None:
    rotated = {"RISK_TOKEN": "n3w-token", "TENANT": "n3w-tenant", "SECRET_PATH": "n3w-path"}
    restored = restore_modules(frozen(load(EVERYTHING)), load(EVERYTHING, **rotated))
    assert restored.modules == load(EVERYTHING, **rotated).modules
    assert restored.modules["beta"].secrets == Secrets.of(rotated.values())


def test_secret_header_is_that_of_today_also_when_the_mapping_is_another() -> None:
    began = adapted("body: inputs, headers: {Authorization: '\"Basic x\"'}, query: {api_key: '\"${RISK_TOKEN}\"'}")
    now = adapted("body: seed, headers: {Authorization: '\"Bearer ${RISK_TOKEN}\"'}, query: {api_key: '\"k3y\"', b: 1}")
    adapter = restore_modules(frozen(began), now).modules["beta"].adapter
    assert adapter
    score = adapter.actions["score"]
    assert score.body
    assert score.body.text == "inputs"
    assert {name: value.text for name, value in score.headers.items()} == {"Authorization": '"Bearer r1sk+token"'}
    assert {name: value.text for name, value in score.query.items()} == {"api_key": '"k3y"'}


def test_header_that_is_not_secret_any_more_has_the_value_of_today() -> None:
    restored = restore_modules(frozen(load(EVERYTHING)), load(EVERYTHING.replace("[X-Entry]", "[X-Other]")))
    adapter = restored.modules["beta"].adapter
    assert adapter
    assert adapter.actions["score"].headers["x-entry"].text == '"hidden entry"'


@pytest.mark.parametrize(
    ("now", "place"),
    [
        (adapted("body: seed"), "score/headers/X-Key"),
        (adapted('headers: {X-Key: \'"key ${RISK_TOKEN}"\'}, body: \'{ "b": "${RISK_TOKEN}" }\''), "score/body"),
        (load("modules: { beta: { url: http://beta } }"), "score/headers/X-Key"),
    ],
)
def test_module_whose_secret_is_not_registered_any_more_is_refused_with_what_to_do(now: Catalogue, place: str) -> None:
    began = adapted('headers: {X-Key: \'"key ${RISK_TOKEN}"\'}, body: \'{ "a": "${RISK_TOKEN}" }\'')
    with pytest.raises(ChangedModuleError) as caught:
        restore_modules(frozen(began), now)
    assert f"at '/modules/beta/adapter/actions/{place}'" in str(caught.value)
    assert "Register the module as it was when the run began, and try again." in str(caught.value)
    assert "r1sk" not in str(caught.value)


def test_name_that_holds_a_secret_is_known_only_while_the_mapping_is_registered_as_before() -> None:
    began = adapted("query: {ten4nt: inputs.a, tenant: '\"${TENANT}\"'}")
    assert restore_modules(frozen(began), began).modules == began.modules
    with pytest.raises(ChangedModuleError, match=r"at '/modules/beta/adapter/actions/score/query/\*\*\*'"):
        restore_modules(frozen(began), adapted("query: {ten4nt: inputs.b, tenant: '\"${TENANT}\"'}"))


def test_module_that_is_not_registered_any_more_is_refused_with_what_to_do() -> None:
    content = freeze_modules(load(EVERYTHING), ["alpha", "beta"])
    with pytest.raises(ChangedModuleError) as caught:
        restore_modules(content, load(TODAY))
    assert str(caught.value) == ("beta is not registered in modules.yaml any more. Register it, and try again.")


@pytest.mark.parametrize("entry", [{"url": "http://elsewhere"}, {"url": "file:///etc/passwd"}, {"name": "gamma", "later": 1}])
def test_document_cannot_choose_the_address_that_is_called(entry: dict[str, Any]) -> None:
    now = load("modules: { beta: { url: http://b } }")
    content = json.dumps({"modules": {"beta": {**entry, "actions": ["execute"]}}}).encode()
    assert restore_modules(content, now).modules == now.modules


def test_document_cannot_choose_the_files_that_are_read() -> None:
    action = {"path": "/s", "artifacts": [{"path": '"/etc/passwd"'}]}
    entry = {"url": "http://b", "adapter": {"artifacts_root": "/", "actions": {"score": action}}}
    with pytest.raises(ChangedModuleError, match="has no artifacts_root for it any more"):
        restore_modules(json.dumps({"modules": {"beta": entry}}).encode(), load("modules: { beta: { url: http://b } }"))


def test_file_is_taken_below_the_root_of_today() -> None:
    moved = load(EVERYTHING.replace("/srv/shared", "/mnt/shared"))
    adapter = restore_modules(frozen(load(EVERYTHING)), moved).modules["beta"].adapter
    assert adapter
    assert adapter.artifacts_root == Path("/mnt/shared")


def test_secret_of_today_is_put_nowhere_but_in_its_own_place() -> None:
    content = json.dumps(
        {"modules": {"beta": {"adapter": {"actions": {"other": {"path": "/***", "headers": {"X-Key": "***"}}}}}}}
    )
    with pytest.raises(ChangedModuleError):
        restore_modules(content.encode(), adapted("headers: {X-Key: '\"${RISK_TOKEN}\"'}"))


VALID: Final = {"url": "http://b", "adapter": {"actions": {"score": {"path": "/s"}}}}


def with_action(**parts: Any) -> dict[str, Any]:
    return {**VALID, "adapter": {"actions": {"score": {"path": "/s", **parts}}}}


@pytest.mark.parametrize(
    ("entry", "pointer"),
    [
        ({**VALID, "adapter": []}, "/adapter"),
        ({**VALID, "adapter": {"actions": {}}}, "/adapter/actions"),
        ({**VALID, "adapter": {"actions": {"a/b": {"path": "/s"}}}}, "/adapter/actions/a~1b"),
        ({**VALID, "adapter": {"actions": {"score": {"path": "/../s"}}}}, "/adapter/actions/score/path"),
        ({**VALID, "adapter": {"actions": {"score": {"path": "/s", "body": "inputs."}}}}, "/adapter/actions/score/body"),
        ({**VALID, "adapter": {"actions": {"score": {"path": "/s", "body": {"a": 1}}}}}, "/adapter/actions/score/body"),
        (
            {**VALID, "adapter": {"actions": {"score": {"path": "/s", "headers": {"Host": "1"}}}}},
            "/adapter/actions/score/headers/Host",
        ),
        ({"actions": ["a", 1], "url": "http://b"}, "/actions/1"),
        ([], ""),
    ],
)
def test_part_that_could_not_stand_in_modules_yaml_is_refused_with_a_pointer(entry: Any, pointer: str) -> None:
    with pytest.raises(ShapeError) as caught:
        restore_modules(json.dumps({"modules": {"beta": entry}}).encode(), load("modules: { beta: { url: http://b } }"))
    assert caught.value.problems[0].pointer == f"/modules/beta{pointer}"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", JsonError),
        (b'{"modules": {"a": {}, "a": {}}}', JsonError),
        (b'{"modules": [' + b"0," * 60_000 + b"0]}", JsonError),
        (b"[" * 100_000, JsonError),
        (b"[]", ShapeError),
        (b"{}", ShapeError),
        (b'{"modules": {"../a": {"url": "http://a"}}}', ShapeError),
        (b'{"modules": {"a": null}}', ShapeError),
    ],
)
def test_document_that_is_damaged_is_an_error_of_its_own(content: bytes, error: type[ContractError]) -> None:
    with pytest.raises(error):
        restore_modules(content, Catalogue({}))
