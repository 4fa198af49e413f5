import textwrap
from pathlib import Path

import pytest

from ops_orchestrator.errors import ConfigurationError
from ops_orchestrator.masking import Secrets
from ops_orchestrator.modules.adapters import BUILT_IN
from ops_orchestrator.modules.adapters.declaration import Action, Adapter
from ops_orchestrator.modules.catalogue import Catalogue, load_catalogue

REPOSITORY = Path(__file__).parents[3]


def load(folder: Path, text: str, **environment: str) -> Catalogue:
    file = folder / "modules.yaml"
    file.write_text(text)
    return load_catalogue(file, environment)


def adapted(folder: Path, adapter: str, **environment: str) -> Adapter:
    """The adapter of a module whose entry goes on with the lines `adapter`, of which the first is line 4."""
    text = "modules:\n  legacy:\n    url: http://legacy\n" + textwrap.indent(textwrap.dedent(adapter), "    ")
    found = load(folder, text, **environment).modules["legacy"].adapter
    assert found is not None
    return found


def refused(folder: Path, adapter: str, **environment: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        adapted(folder, adapter, **environment)
    return str(caught.value)


def body_of(action: Action) -> str | None:
    return action.body.text if action.body else None


def test_module_takes_what_it_does_not_set_from_defaults(tmp_path: Path) -> None:
    text = "defaults: {timeout_s: 5, retries: 1}\nmodules:\n  alpha: {url: 'http://a:1', retries: 7}\n"
    module = load(tmp_path, text).modules["alpha"]
    assert (module.timeout_s, module.retries, module.ready_timeout_s) == (5.0, 7, 30.0)


def test_modules_keep_the_order_of_the_file(tmp_path: Path) -> None:
    text = "modules:\n  zeta: {url: 'http://z'}\n  alpha: {url: 'http://a'}\n"
    assert list(load(tmp_path, text).modules) == ["zeta", "alpha"]


def test_reference_is_taken_from_the_environment_and_keeps_its_type(tmp_path: Path) -> None:
    text = "modules:\n  alpha:\n    url: http://${HOST:-localhost}:${PORT}/x\n    retries: ${RETRIES:-2}\n"
    module = load(tmp_path, text, PORT="8080", RETRIES="5").modules["alpha"]
    assert (module.url, module.retries) == ("http://localhost:8080/x", 5)


def test_reference_that_is_quoted_stays_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="retries must be an integer, not '5'"):
        load(tmp_path, "modules:\n  alpha:\n    url: http://a\n    retries: '${RETRIES}'\n", RETRIES="5")


def test_value_that_is_left_empty_counts_as_not_given(tmp_path: Path) -> None:
    text = "modules:\n  alpha:\n    url: http://a\n    image_digest: ${DIGEST:-}\n    timeout_s:\n"
    module = load(tmp_path, text).modules["alpha"]
    assert (module.image_digest, module.timeout_s) == (None, 60.0)


def test_default_that_is_left_empty_counts_as_not_given(tmp_path: Path) -> None:
    assert load(tmp_path, "defaults:\n  timeout_s:\nmodules:\n  alpha: {url: 'http://a'}\n").modules["alpha"].timeout_s == 60.0


def test_ipv6_address_is_accepted(tmp_path: Path) -> None:
    assert load(tmp_path, "modules:\n  alpha: {url: 'http://[::1]:8080'}\n").modules["alpha"].url == "http://[::1]:8080"


def test_empty_file_registers_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "").modules == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "modules:\n  alpha:\n    url: http://a\n    timout_s: 3\n",
            "modules.yaml:4: unknown key 'timout_s'; did you mean 'timeout_s'?",
        ),
        ("modules:\n  alpha:\n    timeout_s: 3\n", "modules.yaml:2: url is required"),
        ("modules:\n  alpha:\n    url: localhost:80\n", "modules.yaml:3: url must be like http://host:port"),
        ("modules:\n  alpha:\n    url: http://a\n    retries: two\n", "modules.yaml:4: retries must be an integer, not 'two'"),
        (
            "modules:\n  alpha:\n    url: http://a\n    timeout_s: 0\n",
            "modules.yaml:4: timeout_s must be greater than 0, not 0",
        ),
        ("modules:\n  alpha: http://a\n", "modules.yaml:2: must be a mapping, not 'http://a'"),
        ("modules:\n  ../alpha: {url: 'http://a'}\n", "modules.yaml:2: name must match pattern"),
        ("modules: [alpha]\n", "modules.yaml:1: must be a mapping"),
        ("module:\n  alpha: {}\n", "modules.yaml:1: unknown key 'module'; did you mean 'modules'?"),
        ("services: {}\n", "modules.yaml:1: unknown key 'services'; known are: defaults, modules"),
        ("defaults:\n  retires: 2\n", "modules.yaml:2: unknown key 'retires'; did you mean 'retries'?"),
        ("modules:\n  alpha:\n    url: ${URL}\n", "modules.yaml:3: URL is not set; set it or write ${URL:-default}"),
        ("modules:\n  alpha: {url: 'http://a'}\n  alpha: {url: 'http://b'}\n", "modules.yaml:3: the key 'alpha' stands twice"),
        ("modules:\n  alpha: [\n", "modules.yaml:3: not YAML"),
        ("- a\n", "modules.yaml:1: must be a mapping"),
        ("modules: []\n", "modules.yaml:1: must be a mapping"),
        (
            "modules:\n  alpha:\n    url: http://h:99999\n",
            "modules.yaml:3: url must be like http://host:port (Port out of range",
        ),
        ("modules:\n  alpha:\n    url: http://h:abc\n", "modules.yaml:3: url must be like http://host:port (Port could not"),
        ("modules:\n  alpha:\n    url: http://a..b/\n", "modules.yaml:3: url must be like http://host:port"),
        ("modules:\n  alpha:\n    url: http://u:secret@h\n", "modules.yaml:3: url must not hold a user name or password"),
        ("modules:\n  alpha:\n    url: http://a b\n", "modules.yaml:3: url must not hold blanks"),
        (
            "modules:\n  alpha:\n    url: http://a\n    retries: 101\n",
            "modules.yaml:4: retries must be less than or equal to 100",
        ),
        (
            "defaults: {max_in_flight: 0}\nmodules:\n  alpha:\n    url: http://a\n",
            "modules.yaml:1: max_in_flight must be greater than or equal to 1",
        ),
        ("modules:\n  alpha:\n    url: http://a\n    name: beta\n", "modules.yaml:4: unknown key 'name'; known are: timeout_s"),
        (
            "modules:\n  alpha:\n    url: http://a\n    image_digest: 1.10\n",
            "modules.yaml:4: image_digest must be text, not 1.10; quote it",
        ),
        (
            "modules:\n  alpha:\n    url: http://a\n    image_digest: true\n",
            "modules.yaml:4: image_digest must be text, not true; quote it",
        ),
        ("modules:\n  alpha:\n    url: !foo bar\n", "modules.yaml:3: the tag !foo cannot be used"),
        (
            "modules:\n  alpha:\n    image_digest: 2020-99-99\n",
            "modules.yaml:3: some readers of YAML take 2020-99-99 for a date",
        ),
        ("modules: &m\n  a: *m\n", "modules.yaml:1: a value stands inside itself"),
    ],
)
def test_mistake_in_the_file_is_reported_with_file_line_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)


def test_password_in_an_address_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, "modules:\n  alpha:\n    url: http://user:hunter2@h\n")
    assert "hunter2" not in str(caught.value)


def test_missing_file_says_which_setting_names_it(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"cannot read .*modules\.yaml: No such file or directory; set OPS_MODULES_FILE"
    ):
        load_catalogue(tmp_path / "modules.yaml", {})


def test_file_that_is_not_text_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "modules.yaml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="it is not UTF-8"):
        load_catalogue(file, {})


def test_shipped_file_registers_every_module_of_the_stack() -> None:
    catalogue = load_catalogue(REPOSITORY / "modules.yaml", {"MONITOR_URL": "http://monitor:8080"})
    assert set(catalogue.modules) == {
        "data-layer",
        "dr-anticorruption",
        "monitor",
        "policy-simulator",
        "strategy-agent",
        "supplychain-risk",
    }
    assert catalogue.modules["monitor"].url == "http://monitor:8080"


def test_shipped_example_of_adapters_can_be_loaded() -> None:
    catalogue = load_catalogue(REPOSITORY / "examples" / "adapters" / "modules.yaml", {})
    adapted = [name for name, module in catalogue.modules.items() if module.adapter]
    assert {"policy-simulator", "indicators", "report", "archive"} <= set(adapted)
    assert "data-layer" not in adapted


def test_module_without_an_adapter_speaks_the_contract(tmp_path: Path) -> None:
    module = load(tmp_path, "modules:\n  alpha:\n    url: http://a\n    adapter:\n").modules["alpha"]
    assert (module.adapter, module.actions) == (None, ("execute",))


def test_actions_of_a_module_are_those_of_its_adapter(tmp_path: Path) -> None:
    text = "modules:\n  old:\n    url: http://a\n    adapter: {actions: {score: {path: /s}, risk: {path: /r}}}\n"
    module = load(tmp_path, text).modules["old"]
    assert (module.action_names, module.default_action) == (("score", "risk"), None)


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize(
    "written", ["adapter: {name}\n", "adapter: {{base: {name}}}\n", "adapter:\n  base: {name}\n  actions:\n"]
)
def test_built_in_adapter_is_had_by_its_name(tmp_path: Path, name: str, written: str) -> None:
    adapter = adapted(tmp_path, written.format(name=name))
    assert adapter.base == name
    assert adapter.actions


def test_key_of_an_action_replaces_that_of_the_built_in_adapter_and_others_stay(tmp_path: Path) -> None:
    built_in = adapted(tmp_path, "adapter: integration-spec-1.0\n")
    changed = adapted(tmp_path, "adapter: {base: integration-spec-1.0, actions: {execute: {body: inputs, timeout_s: 5}}}\n")
    own, base = changed.actions["execute"], built_in.actions["execute"]
    assert (body_of(own), own.timeout_s) == ("inputs", 5.0)
    assert (own.outputs, own.failure, own.artifacts) == (base.outputs, base.failure, base.artifacts)
    assert body_of(changed.actions["execute-input"]) == body_of(built_in.actions["execute-input"])


def test_part_of_an_action_replaces_the_whole_part_of_the_built_in_adapter(tmp_path: Path) -> None:
    changed = adapted(
        tmp_path, "adapter: {base: integration-spec-1.0, actions: {execute: {failure: {when: response.body.bad}}}}\n"
    )
    failure = changed.actions["execute"].failure
    assert failure.when is not None
    assert (failure.when.text, failure.message) == ("response.body.bad", None)


def test_action_may_be_added_to_a_built_in_adapter(tmp_path: Path) -> None:
    changed = adapted(tmp_path, "adapter: {base: integration-spec-1.0, actions: {ping: {path: /ping}}}\n")
    assert list(changed.actions) == ["execute", "execute-input", "ping"]


def test_health_and_root_of_a_built_in_adapter_may_be_replaced_or_left_empty(tmp_path: Path) -> None:
    changed = adapted(tmp_path, "adapter: {base: integration-spec-1.0, health: none, artifacts_root: /srv}\n")
    assert (changed.health, changed.artifacts_root) == (None, Path("/srv"))
    kept = adapted(tmp_path, "adapter:\n  base: integration-spec-1.0\n  artifacts_root: ${ROOT:-}\n  health:\n")
    assert kept.health is not None
    assert kept.artifacts_root == Path("/var/openpolicystack/artifacts")


@pytest.mark.parametrize(
    ("health", "path"),
    [
        ("none", None),
        ("", None),
        ("/ping", "/ping"),
        ("{path: /ping}", "/ping"),
        ("${HEALTH}", "/live"),
        ("${NO_HEALTH:-none}", None),
    ],
)
def test_health_of_an_adapter_is_a_path_or_none(tmp_path: Path, health: str, path: str | None) -> None:
    adapter = adapted(tmp_path, f"adapter:\n  actions: {{score: {{path: /score}}}}\n  health: {health}\n", HEALTH="/live")
    assert (adapter.health.path.text if adapter.health else None) == path


def test_reference_in_an_expression_is_taken_from_the_environment(tmp_path: Path) -> None:
    text = """\
        adapter:
          actions:
            score:
              path: /${VERSION:-v1}/score
              headers: {X-Key: "'${KEY}'"}
        """
    score = adapted(tmp_path, text, KEY="abc").actions["score"]
    assert (score.path.text, score.headers["X-Key"].text) == ("/v1/score", "'abc'")


def test_merged_action_takes_what_it_does_not_say_itself(tmp_path: Path) -> None:
    text = """\
        adapter:
          actions:
            score: &score {path: /score, body: inputs, retries: 1}
            risk:
              <<: *score
              body: seed
        """
    risk = adapted(tmp_path, text).actions["risk"]
    assert (risk.path.text, body_of(risk), risk.retries) == ("/score", "seed", 1)


def test_body_of_another_kind_takes_the_place_of_the_one_of_the_base(tmp_path: Path) -> None:
    text = """\
        adapter:
          base: integration-spec-1.0
          actions:
            execute: { form: { run: run_id } }
        """
    execute = adapted(tmp_path, text).actions["execute"]
    assert (execute.body, [*(execute.form or {})]) == (None, ["run"])


def test_earlier_one_of_several_merged_actions_wins(tmp_path: Path) -> None:
    text = """\
        adapter:
          actions:
            score: &score {path: /score, body: inputs}
            risk: &risk {path: /risk, body: seed, retries: 1}
            both: {<<: [*score, *risk]}
        """
    both = adapted(tmp_path, text).actions["both"]
    assert (both.path.text, body_of(both), both.retries) == ("/score", "inputs", 1)


@pytest.mark.parametrize(
    ("adapter", "said"),
    [
        ("adapter:\n  actions: {a: {path: /}}\n  helth: /ping\n", ":6: unknown key 'helth'; did you mean 'health'?"),
        (
            "adapter:\n  actions:\n    a:\n      path: /\n      body: inputs\n      form: {a: seed}\n",
            ":6: a must have one of body, form: a request has one body",
        ),
        (
            "adapter:\n  actions:\n    a:\n      path: /\n      multipart:\n        file: {artefact: inputs}\n",
            ":9: unknown key 'artefact'; did you mean 'artifact'?",
        ),
        (
            "adapter:\n  actions:\n    a:\n      path: /\n      multipart:\n        file:\n          filename: inputs\n",
            ":9: file must have one of text, body, artifact, base64",
        ),
        ("adapter:\n  acts: {a: {path: /}}\n", ":5: unknown key 'acts'; did you mean 'actions'?"),
        ("adapter:\n  actions:\n    a:\n      path: /\n      bdy: inputs\n", ":8: unknown key 'bdy'; did you mean 'body'?"),
        ("adapter:\n  actions:\n    a:\n      pth: /\n", ":7: unknown key 'pth'; did you mean 'path'?"),
        (
            "adapter:\n  actions:\n    a:\n      path: /\n      failure:\n        wen: 1\n",
            ":9: unknown key 'wen'; did you mean 'when'?",
        ),
        (
            "adapter:\n  actions:\n    a:\n      path: /\n      artifacts:\n        - {}\n        - base_64: 1\n",
            ":10: unknown key 'base_64'; did you mean 'base64'?",
        ),
        ("adapter:\n  actions: {a: {path: /}}\n  health:\n    pth: /ping\n", ":7: unknown key 'pth'; did you mean 'path'?"),
        (
            "adapter:\n  base: integration-spec-1.0\n  actions:\n    execute:\n      bdy: 1\n",
            ":8: unknown key 'bdy'; did you mean 'body'?",
        ),
        ("adaptor: integration-spec-1.0\n", ":4: unknown key 'adaptor'; did you mean 'adapter'?"),
        (
            "adapter: integration-spec\n",
            ":4: there is no built-in adapter 'integration-spec'; did you mean 'integration-spec-1.0'?",
        ),
        (
            "adapter:\n  base: integration-spec\n",
            ":5: there is no built-in adapter 'integration-spec'; did you mean 'integration-spec-1.0'?",
        ),
        ("adapter: legacy\n", ":4: there is no built-in adapter 'legacy'; there are: integration-spec-1.0"),
        ("adapter: 5\n", ":4: must be a mapping, not 5"),
        ("adapter: []\n", ":4: must be a mapping, not []"),
        ("adapter: {}\n", ":4: actions is required"),
        ("adapter:\n  health: /ping\n", ":4: actions is required"),
        ("adapter:\n  actions:\n", ":5: actions is required"),
        ("adapter:\n  actions: {}\n", ":5: actions "),
        ("adapter:\n  actions: [a]\n", ":5: must be a mapping, not ['a']"),
        ("adapter:\n  actions:\n    a:\n", ":6: a must be an object"),
        ("adapter:\n  actions:\n    a: {}\n", ":6: path is required"),
        ("actions: [a]\nadapter: integration-spec-1.0\n", ":4: actions of a module with an adapter stand below it"),
        ("adapter: {actions: {a: {path: /}}}\nactions: [a]\n", ":5: actions of a module with an adapter stand below it"),
        ("adapter:\n  actions:\n    a: {path: score}\n", ":6: path must be a path like /score"),
        ("adapter:\n  actions:\n    a:\n      path: /\n      method: get\n", ":8: method must be 'GET', 'POST'"),
        (
            "adapter:\n  actions:\n    a:\n      path: /\n      headers:\n        Host: 1\n",
            ":9: Host cannot be set as a header",
        ),
        ("adapter:\n  actions:\n    a: {<<: 5, path: /}\n", ":6: << takes a mapping, or a list of them"),
    ],
)
def test_mistake_in_an_adapter_is_reported_with_file_line_and_remedy(tmp_path: Path, adapter: str, said: str) -> None:
    assert f"modules.yaml{said}" in refused(tmp_path, adapter)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "body: '{ \"a\": input.x }'",
            ":8: body there is no 'input' here; did you mean 'inputs'?, at character 8 of '{ \"a\": input",
        ),
        ("body: '{ \"a\": '", ":8: body Expected } before end of expression, at character 6 of '{ \"a\":'"),
        ("outputs: response.body.", ":8: outputs Unexpected end of expression, at character 14 of 'response.body.'"),
        ("version: $now()", ":8: version $now cannot be used"),
        ("evidence: '$match(response.body, /(?=a)/)'", ":8: evidence the regular expression cannot be used"),
        (
            "query: {iso: inptus.iso}",
            ":8: iso there is no 'inptus' here; did you mean 'inputs'?, at character 1 of 'inptus.iso'",
        ),
        ("headers: {X-A: item.a}", ":8: X-A there is no 'item' here"),
        ("failure: {when: response.body = }", ":8: when "),
        (
            "artifacts: [{each: inputs, name: item}, {name: itm}]",
            ":8: name there is no 'itm' here; did you mean 'item'?, at character 1 of 'itm'",
        ),
        ("query: {country: NO}", ":8: some readers of YAML take NO for true or false; write true or false, or quote it"),
        ("query: {version: 1.10}", ":8: 1.10 would be sent as 1.1; write that, or quote it if it is text"),
        ("body: 1e3", ":8: 1e3 would be sent as 1000"),
        ("outputs: {a: response.body}", ":8: outputs must be a JSONata expression; write it as text, in quotes or after |"),
    ],
)
def test_expression_that_is_wrong_is_reported_with_file_line_and_character(tmp_path: Path, line: str, said: str) -> None:
    assert f"modules.yaml{said}" in refused(tmp_path, f"adapter:\n  actions:\n    a:\n      path: /\n      {line}\n")


def test_expression_in_a_block_is_reported_with_the_line_of_its_key(tmp_path: Path) -> None:
    text = """\
        adapter:
          actions:
            score:
              path: /score
              body: |
                {
                  "a": input.x
                }
        """
    assert "modules.yaml:8: body there is no 'input' here; did you mean 'inputs'?, at character 8 of line 2, " in refused(
        tmp_path, text
    )


def test_mistake_in_a_merged_action_is_reported_where_it_stands(tmp_path: Path) -> None:
    text = """\
        adapter:
          actions:
            risk: {<<: &score {path: /score, body: inputs}, body: seed}
            score: *score
            last:
              <<: *score
              body: sed
        """
    assert "modules.yaml:10: body there is no 'sed' here; did you mean 'seed'?" in refused(tmp_path, text)


def test_mistake_before_what_is_merged_is_reported_where_it_stands(tmp_path: Path) -> None:
    text = """\
        adapter:
          actions:
            score: &score {path: /score, body: inputs}
            last:
              body: sed
              <<: *score
        """
    assert "modules.yaml:8: body there is no 'sed' here" in refused(tmp_path, text)


def test_secret_in_an_expression_that_is_wrong_is_not_shown(tmp_path: Path) -> None:
    line = "headers: {Authorization: '\"Bearer ${GIVEN}\"'}"
    said = refused(tmp_path, f"adapter:\n  actions:\n    a:\n      path: /\n      {line}\n", GIVEN='s3c"ret')
    assert "modules.yaml:8: Authorization" in said
    assert "s3c" not in said


def test_misspelt_name_of_an_artifact_is_answered_with_it(tmp_path: Path) -> None:
    text = "adapter: {actions: {a: {path: /, artifacts: [{nam: \"'x'\"}]}}}\n"
    assert "unknown key 'nam'; did you mean 'name'?" in refused(tmp_path, text)


def test_unknown_key_of_an_action_called_like_a_field_is_answered_with_keys_of_actions(tmp_path: Path) -> None:
    assert "did you mean 'body'?" in refused(tmp_path, "adapter: {actions: {failure: {path: /, bdy: inputs}}}\n")


def test_name_of_an_action_that_cannot_be_one_is_reported_where_it_stands(tmp_path: Path) -> None:
    said = refused(tmp_path, "adapter:\n  actions:\n    a/b: {path: /}\n")
    assert "modules.yaml:6: " in said
    assert "'a/b'" in said


@pytest.mark.parametrize("base", ["[integration-spec-1.0]", "{name: integration-spec-1.0}"])
def test_base_that_is_no_name_is_reported(tmp_path: Path, base: str) -> None:
    assert "modules.yaml:5: there is no built-in adapter" in refused(tmp_path, f"adapter:\n  base: {base}\n")


def test_health_that_is_false_is_answered_with_what_to_write(tmp_path: Path) -> None:
    assert "none" in refused(tmp_path, "adapter: {actions: {a: {path: /}}, health: false}\n")


@pytest.mark.parametrize("part", ["query", "headers", "failure", "artifacts"])
def test_part_of_an_action_that_is_left_empty_counts_as_not_given(tmp_path: Path, part: str) -> None:
    assert adapted(tmp_path, f"adapter:\n  actions:\n    a:\n      path: /\n      {part}:\n").actions["a"].upstream == set()


def test_name_of_an_action_that_cannot_be_one_is_shown_as_it_is_written(tmp_path: Path) -> None:
    assert "a~1b" not in refused(tmp_path, "adapter:\n  actions:\n    a/b: {path: /}\n")


def test_root_that_is_missing_is_reported_with_the_action_that_needs_it(tmp_path: Path) -> None:
    text = "adapter:\n  health: none\n  actions:\n    a: {path: /, artifacts: [{path: response.body.file}]}\n"
    assert "adapter takes artifacts from a path in its action 'a', but has no artifacts_root" in refused(tmp_path, text)


def test_root_that_is_no_path_is_told_in_plain_words(tmp_path: Path) -> None:
    assert "<class" not in refused(tmp_path, "adapter: {artifacts_root: 5, actions: {a: {path: /}}}\n")


def test_mistake_in_an_action_called_like_a_secret_is_shown(tmp_path: Path) -> None:
    assert "must be an object" in refused(tmp_path, "adapter: {actions: {sessions: /sessions}}\n")


@pytest.mark.parametrize(
    "text",
    [
        "url: http://u:${RISK_TOKEN}@h\n",
        "url: http://a\n    adapter: {actions: {a: {path: '/x?k=${RISK_TOKEN}'}}}\n",
        "url: http://a\n    adapter: {actions: {a: {path: /x, query: 'k=${RISK_TOKEN}'}}}\n",
        "url: http://a\n    adapter: {actions: '${RISK_TOKEN}'}\n",
        "url: http://a\n    adapter: {actions: {a: {path: /x, headers: {Authorization: '\"Bearer ${RISK_TOKEN}'}}}}\n",
    ],
)
def test_secret_of_the_environment_is_in_no_message(tmp_path: Path, text: str) -> None:
    value = "s3cret-42"
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, f"modules:\n  old:\n    {text}", RISK_TOKEN=value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_misspelt_action_of_the_built_in_adapter_is_answered_with_it(tmp_path: Path) -> None:
    said = refused(tmp_path, "adapter: {base: integration-spec-1.0, actions: {excute: {retries: 1}}}\n")
    assert "integration-spec-1.0 has no action 'excute'; did you mean 'execute'?" in said


@pytest.mark.parametrize("part", ["query", "headers"])
def test_entry_of_a_query_that_is_left_empty_counts_as_not_given(tmp_path: Path, part: str) -> None:
    declared = adapted(tmp_path, f"adapter: {{actions: {{a: {{path: /, {part}: {{x: }}}}}}}}\n").declared()
    assert part not in declared["actions"]["a"]


def test_entry_of_a_list_is_named_with_its_list(tmp_path: Path) -> None:
    assert "artifacts[0] has text but no name" in refused(
        tmp_path, "adapter: {actions: {a: {path: /, artifacts: [{text: inputs}]}}}\n"
    )


def test_secrets_of_a_module_are_the_variables_that_say_so_by_name_or_place(tmp_path: Path) -> None:
    adapter = """
        adapter:
          secret_headers: [X-Entry]
          actions:
            score:
              path: "/score/${COUNTRY}"
              query: { tenant: '"${TENANT}"' }
              headers: { X-Client: '"client ${CLIENT:-${NOBODY:-}}"' }
              body: '{ "key": "${RISK_TOKEN}", "unit": "${UNIT}" }'
    """
    text = "modules:\n  legacy:\n    url: http://legacy\n" + textwrap.indent(textwrap.dedent(adapter), "    ")
    variables = {"COUNTRY": "Mexico", "TENANT": "ten4nt", "CLIENT": "cl1ent", "RISK_TOKEN": "r1sk-token", "UNIT": "percent"}
    module = load(tmp_path, text + "  other: { url: 'http://other/${OTHER_KEY}' }\n", OTHER_KEY="0ther-place", **variables)
    assert module.modules["legacy"].secrets == Secrets.of(["ten4nt", "cl1ent", "r1sk-token"])
    declared = str(module.modules["legacy"].declared())
    assert [value for value in variables.values() if value in declared] == ["Mexico", "percent"]
    assert not module.modules["other"].secrets
