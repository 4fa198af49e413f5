"""The dashboard, the alerts and the Compose profile that watch the service: what they name exists, and Prometheus takes it."""

import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import httpx2
import pytest
import yaml
from local_service import HTTP, ROOT, service, started
from needed_tool import needed_tool

from ops_orchestrator.service.metrics.families import BY_NAME, WORKER

FOLDER = ROOT / "deploy/observability"
DASHBOARD = json.loads((FOLDER / "grafana/dashboards/openpolicystack.json").read_bytes())
ALERTS = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"][0]["rules"]
METRIC = re.compile(r"\b(?:ops|process)_[a-z_]+")
GROUPED = re.compile(r"\bby \(([^)]*)\)|\{([^}]*)\}")
LABEL = re.compile(r"(?<![\"$.\w])[a-z]\w*(?=\s*(?:=|!=|,|$))")
# Prometheus adds them.
OF_THE_SCRAPE = {"job", "instance", "le", "alertstate", "alertname"}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    yield from (annotation["expr"] for annotation in DASHBOARD["annotations"]["list"])
    yield from (variable["query"]["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query")
    yield from (alert["expr"] for alert in ALERTS)


def family_of(name: str) -> str:
    """The metric that a series belongs to."""
    shortened = re.sub("_(bucket|count|sum)$", "", name)
    return shortened if shortened in BY_NAME and BY_NAME[shortened].kind == "histogram" else name


def test_every_metric_and_label_that_is_asked_for_exists() -> None:
    unknown = set()
    for expression in expressions():
        names = {family_of(name) for name in METRIC.findall(expression)}
        families = [BY_NAME[name] for name in names & BY_NAME.keys()]
        labels = {WORKER, *OF_THE_SCRAPE, *(label for family in families for label in family.labels)}
        asked = {label for grouped, matched in GROUPED.findall(expression) for label in LABEL.findall(grouped or matched)}
        unknown |= {(name, expression) for name in (names - BY_NAME.keys()) | (asked - labels)}
    assert unknown == set()


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    assert len({alert["alert"] for alert in ALERTS}) == len(ALERTS)
    for alert in ALERTS:
        assert alert["labels"]["severity"] in ("page", "ticket")
        for part in ("summary", "description", "runbook"):
            assert alert["annotations"][part].endswith(".")
    tested = (FOLDER / "rules.test.yml").read_text()
    assert [alert["alert"] for alert in ALERTS if f'"{alert["alert"]}"' not in tested] == []


def test_panels_of_the_dashboard_do_not_overlap_and_each_is_described() -> None:
    places = [
        (place["x"] + column, place["y"] + row)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for column in range(place["w"])
        for row in range(place["h"])
    ]
    assert len(places) == len({*places})
    assert max(column for column, _ in places) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in panels():
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}"


def test_default_stack_starts_neither_prometheus_nor_grafana_and_the_profile_starts_both() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert {name for name, each in services.items() if each.get("profiles") == ["observe"]} == {"prometheus", "grafana"}
    for name in ("prometheus", "grafana"):
        mounts = [each["source"] for each in services[name]["volumes"] if each["type"] == "bind"]
        assert mounts
        assert all((ROOT / source).exists() for source in mounts)
        # On this machine alone, unless somebody says otherwise.
        assert all(":-127.0.0.1:" in port for port in services[name]["ports"])


@pytest.mark.slow
def test_prometheus_takes_the_rules_and_each_alert_fires_for_what_it_is_about() -> None:
    promtool = needed_tool("promtool", "prometheus")
    checks = (("check", "config", "prometheus.yml"), ("test", "rules", "rules.test.yml"))
    for words in checks:
        ran = subprocess.run([promtool, *words], cwd=FOLDER, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
def test_prometheus_scrapes_the_service_and_answers_every_panel(tmp_path: Path) -> None:
    with service(tmp_path, "ops", "serve", "--port", "0", OPS_MODULES_FILE=str(ROOT / "modules.yaml")) as (_, url):
        configured = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        configured["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        configured["rule_files"] = [str(FOLDER / "rules.yml")]
        configured["scrape_configs"][0]["static_configs"][0]["targets"] = [url.removeprefix("http://")]
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configured))
        with prometheus(tmp_path) as asked:
            while [sample["value"][1] for sample in asked("query", query='up{job="openpolicystack"}')["result"]] != ["1"]:
                pass
            while not asked("query", query="ops_build_info")["result"]:
                pass
            for expression in expressions():
                if not expression.startswith("label_values"):
                    asked("query", query=filled(expression))
            rules = asked("rules")["groups"][0]["rules"]
    assert [rule["name"] for rule in rules] == [alert["alert"] for alert in ALERTS]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}


def filled(expression: str) -> str:
    """An expression of the dashboard with values in the place of its variables."""
    variables = {"$__rate_interval": "1m", "$instance": ".*", "$module": ".*", "$job": "openpolicystack"}
    for name, value in variables.items():
        expression = expression.replace(name, value)
    return expression


@contextmanager
def prometheus(home: Path) -> Iterator[Callable[..., Any]]:
    """Prometheus with the `prometheus.yml` of `home` under way; gives what asks its API."""
    needed_tool("prometheus", "prometheus")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = ("--config.file=prometheus.yml", f"--web.listen-address={address}", "--storage.tsdb.path=data")
    with started(home, "prometheus", *words, stdout=DEVNULL, stderr=DEVNULL) as process:

        def asked(path: str, **parameters: str) -> Any:
            while True:
                assert process.poll() is None, "Prometheus ended"
                with suppress(httpx2.TransportError):
                    answer = HTTP.get(f"http://{address}/api/v1/{path}", params=parameters)
                    if answer.status_code != 503:  # it is starting
                        assert answer.status_code == 200, answer.text
                        return answer.json()["data"]

        yield asked
        process.terminate()
        process.wait()
