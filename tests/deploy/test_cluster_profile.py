"""The profile `cluster` of compose.yaml, without an engine. tests/e2e/cluster starts it."""

from typing import Any, Final

import yaml
from local_service import MODULES, ROOT

SERVICES: Final[dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
CLUSTER: Final = {name: each for name, each in SERVICES.items() if each.get("profiles") == ["cluster"]}
PROCESSES: Final = ("api", "worker", "upgrade")


def test_cluster_is_a_database_a_bucket_processes_of_the_service_and_stubs_with_balancers() -> None:
    replicas = {name: each.get("deploy", {}).get("replicas", 1) for name, each in CLUSTER.items()}
    others = {"modules": 1, "postgres": 1, "seaweedfs": 1, "balancer": 1, "upgrade": 1}
    assert replicas == {"api": 2, "worker": 3, "stubs": 3, **others}
    assert [CLUSTER[name]["command"] for name in PROCESSES] == [["ops", "serve"], ["ops", "worker"], ["ops", "db", "upgrade"]]


def test_nothing_but_the_balancer_is_published_and_only_on_loopback_unless_somebody_says_otherwise() -> None:
    assert {name: each["ports"] for name, each in CLUSTER.items() if "ports" in each} == {
        "balancer": ["${OPS_CLUSTER_PUBLISH:-127.0.0.1:8001}:8000"]
    }
    assert CLUSTER["api"]["environment"]["OPS_OPEN"] == "${OPS_OPEN:-${OPS_CLUSTER_PUBLISH:-127.0.0.1:8001}}"


def test_every_image_is_built_here_so_that_no_registry_is_asked() -> None:
    assert all("build" in each for each in CLUSTER.values())


def test_processes_have_every_setting_of_the_stack_and_reach_the_stubs_through_their_balancer() -> None:
    for name in PROCESSES:
        environment = CLUSTER[name]["environment"]
        assert SERVICES["orchestrator"]["environment"].keys() <= environment.keys()
        for module in MODULES:
            variable = f"{module.upper().replace('-', '_')}_URL"
            assert environment[variable] == f"${{{variable}:-http://modules:8080/{module}}}"


def test_processes_wait_for_the_tables_and_the_bucket() -> None:
    for name in ("api", "worker"):
        waits = CLUSTER[name]["depends_on"]
        assert waits["upgrade"] == {"condition": "service_completed_successfully"}
        assert waits["seaweedfs"] == {"condition": "service_healthy"}
    assert CLUSTER["upgrade"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_secrets_of_the_profile_say_that_they_are_for_trying() -> None:
    secrets = [CLUSTER["postgres"]["environment"]["POSTGRES_PASSWORD"]]
    secrets += [CLUSTER[name]["environment"]["AWS_SECRET_ACCESS_KEY"] for name in ("seaweedfs", *PROCESSES)]
    assert set(secrets) == {"only-for-trying"}
