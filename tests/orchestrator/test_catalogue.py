from pathlib import Path

import pytest

from ops_orchestrator.catalogue import Catalogue, load_catalogue
from ops_orchestrator.errors import ConfigurationError

REPOSITORY = Path(__file__).parents[2]


def load(folder: Path, text: str, **environment: str) -> Catalogue:
    file = folder / "modules.yaml"
    file.write_text(text)
    return load_catalogue(file, environment)


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
        ("modules:\n  alpha:\n    url: http://a\n    name: beta\n", "modules.yaml:4: unknown key 'name'; known are: timeout_s"),
        ("modules:\n  alpha:\n    url: !foo bar\n", "modules.yaml:3: 'bar' cannot be read"),
        ("modules:\n  alpha:\n    image_digest: 2020-99-99\n", "modules.yaml:3: '2020-99-99' cannot be read"),
        ("modules: &m\n  a: *m\n", "modules.yaml:1: a value stands inside itself"),
    ],
)
def test_mistake_in_the_file_is_reported_with_file_line_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)


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
