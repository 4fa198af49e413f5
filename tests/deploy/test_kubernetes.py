"""The manifests for Kubernetes, looked at without one: the API's schemas take them, and they fit each other and the service."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
from api_keys import bearer, make_key
from kubernetes_manifests import OVERLAYS, Manifest, built, configured, containers, manifests, of_kind, pods
from local_service import HTTP, MODULES, ROOT, service

from ops_orchestrator.service.metrics.families import BY_NAME
from ops_orchestrator.settings import Settings, misspelt_settings

VERSIONS: Final = ("1.31", "1.37")
"""The first and the last version of Kubernetes whose schemas the manifests are compared with."""

SECRETS: Final = {"single": {"api-keys"}, "cluster": {"api-keys", "database", "object-store"}}
PAGE: Final = (ROOT / "docs/deploying.md").read_text()

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def fits(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a label selector takes these labels; of expressions, we use `In` alone."""
    for one in selector.get("matchExpressions", ()):
        assert one["operator"] == "In"
        if labels.get(one["key"]) not in one["values"]:
            return False
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def labels_of_pods(overlay: str) -> dict[str, dict[str, str]]:
    return {name: pod["metadata"]["labels"] for name, pod in pods(overlay)}


def selected(overlay: str, selector: Manifest) -> set[str]:
    return {name for name, labels in labels_of_pods(overlay).items() if fits(selector, labels)}


def probes(container: Manifest) -> Iterator[tuple[str, Any]]:
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        yield kind, container[kind]["httpGet"]


def ports_by_name(container: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container["ports"]}


@every_overlay
@pytest.mark.parametrize("version", VERSIONS)
def test_schemas_of_kubernetes_take_every_object_and_know_every_field(overlay: str, version: str) -> None:
    for manifest in manifests(overlay):
        kubernetes_validate.validate(manifest, version, strict=True)


@every_overlay
def test_every_container_is_confined(overlay: str) -> None:
    for name, pod in pods(overlay):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] == 10001, name  # the user of the images
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
    for name, container in containers(overlay):
        expected = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert (name, container["securityContext"]) == (name, expected)
        assert set(container["resources"]) == {"requests", "limits"}, name
        assert all({"cpu", "memory"} == set(bounds) for bounds in container["resources"].values()), name


@every_overlay
def test_every_service_is_probed_where_it_listens(overlay: str) -> None:
    settings = configured(overlay, "settings")
    listening = {
        "orchestrator": int(settings["OPS_PORT"]),
        "worker": int(settings.get("OPS_WORKER_PORT", 0)),
        "stubs": 8080,
    }
    for name, container in containers(overlay):
        if name == "database-upgrade":
            continue  # it ends by itself
        assert ports_by_name(container) == {"http": listening[name]}
        paths = {kind: probe["path"] for kind, probe in probes(container)}
        ready = "/health" if name == "stubs" else "/ready"
        assert paths == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": ready}
        assert {probe["port"] for _, probe in probes(container)} == {"http"}


@every_overlay
def test_every_selector_selects_pods_that_there_are(overlay: str) -> None:
    names = labels_of_pods(overlay).keys()
    for each in of_kind(overlay, "Service"):
        assert selected(overlay, {"matchLabels": each["spec"]["selector"]}) == {each["metadata"]["name"]}
    for each in of_kind(overlay, "PodDisruptionBudget", "Deployment"):
        assert selected(overlay, each["spec"]["selector"]) == {each["metadata"]["name"]}
    for each in of_kind(overlay, "NetworkPolicy"):
        assert selected(overlay, each["spec"]["podSelector"]), each["metadata"]["name"]
    for each in of_kind(overlay, "HorizontalPodAutoscaler"):
        assert each["spec"]["scaleTargetRef"]["name"] in names


@every_overlay
def test_network_policies_refuse_everything_but_the_ports_of_somebody(overlay: str) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(overlay, "NetworkPolicy")}
    assert policies.pop("default-deny") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    outside = {53, 443, 5432}
    inside = {port for _, container in containers(overlay) for port in ports_by_name({"ports": (), **container}).values()}
    for name, spec in policies.items():
        for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
            assert {port["port"] for port in rule["ports"]} <= inside | outside, name


@every_overlay
def test_every_volume_is_declared_and_what_it_names_is_there(overlay: str) -> None:
    maps = {each["metadata"]["name"] for each in of_kind(overlay, "ConfigMap")}
    claims = {each["metadata"]["name"] for each in of_kind(overlay, "PersistentVolumeClaim")}
    for name, pod in pods(overlay):
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
        (container,) = pod["spec"]["containers"]
        assert {mount["name"] for mount in container.get("volumeMounts", ())} == set(volumes), name
        assert {volume["configMap"]["name"] for volume in volumes.values() if "configMap" in volume} <= maps
        assert {each["configMapRef"]["name"] for each in container.get("envFrom", ()) if "configMapRef" in each} <= maps
        claimed = [
            volume["persistentVolumeClaim"]["claimName"] for volume in volumes.values() if "persistentVolumeClaim" in volume
        ]
        assert set(claimed) <= claims


@every_overlay
def test_secrets_are_named_and_never_held_and_the_page_says_how_each_is_made(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == []
    named = set(re.findall(r"'secret(?:Name|Ref)': (?:\{'name': )?'([\w-]+)'", str(manifests(overlay))))
    assert named == SECRETS[overlay]
    for name in named:
        assert f"kubectl -n openpolicystack create secret generic {name} " in PAGE


@every_overlay
def test_every_variable_is_a_setting(overlay: str) -> None:
    variables = set(configured(overlay, "settings"))
    variables |= {each["name"] for _, container in containers(overlay) for each in container.get("env", ())}
    ours = {name for name in variables if name.startswith("OPS_")}
    assert variables - ours <= {"AWS_REGION"}
    assert not [*misspelt_settings(Settings(), dict.fromkeys(ours, "x"))]


@every_overlay
def test_every_folder_that_a_setting_names_is_mounted(overlay: str) -> None:
    shared = configured(overlay, "settings")
    for name, container in containers(overlay):
        named = {each["name"]: each["value"] for each in container.get("env", ())}
        named |= shared if name in ("orchestrator", "worker") else {}
        mounted = {mount["mountPath"] for mount in container.get("volumeMounts", ())}
        assert {
            value if value in mounted else value.rpartition("/")[0] for value in named.values() if value[0] == "/"
        } <= mounted


@every_overlay
def test_a_pod_has_as_long_to_stop_as_its_drain_needs(overlay: str) -> None:
    settings = configured(overlay, "settings")
    needed = int(settings["OPS_DRAIN_S"]) + int(settings["OPS_STOP_GRACE_S"]) + 10
    for name, pod in pods(overlay):
        if name in ("orchestrator", "worker"):
            assert pod["spec"]["terminationGracePeriodSeconds"] >= needed, name


@every_overlay
def test_images_are_those_of_this_version(overlay: str) -> None:
    (version,) = re.findall(r"^ARG VERSION=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    images = {name: container["image"] for name, container in containers(overlay)}
    assert images.pop("stubs") == f"openpolicystack-stubs:{version}"
    assert set(images.values()) == {f"openpolicystack-orchestrator:{version}"}


def test_one_orchestrator_alone_writes_to_the_volume_of_the_runs() -> None:
    (claim,) = of_kind("single", "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    (orchestrator,) = (each for each in of_kind("single", "Deployment") if each["metadata"]["name"] == "orchestrator")
    assert (orchestrator["spec"]["replicas"], orchestrator["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_workers_are_scaled_by_a_metric_that_the_service_tells() -> None:
    (autoscaler,) = of_kind("cluster", "HorizontalPodAutoscaler")
    (metric,) = autoscaler["spec"]["metrics"]
    family = BY_NAME[metric["external"]["metric"]["name"]]
    assert set(metric["external"]["metric"]["selector"]["matchLabels"]) == set(family.labels)
    # A number here would set the autoscaler's back with each apply.
    (worker,) = (each for each in of_kind("cluster", "Deployment") if each["metadata"]["name"] == "worker")
    assert "replicas" not in worker["spec"]


def test_overlay_of_the_page_takes_its_images_from_the_registry(tmp_path: Path) -> None:
    (overlay,) = (block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "kind: Kustomization" in block)
    (tmp_path / "openpolicystack").symlink_to(ROOT)
    (tmp_path / "kustomization.yaml").write_text(overlay)
    images = [image for each in built(tmp_path) for image in re.findall(r"'image': '([^']+)'", str(each))]
    assert [image.rpartition("/")[0] for image in images] == ["registry.example.org/team"] * 2


@pytest.mark.slow
def test_service_with_the_settings_of_the_manifests_answers_the_probes_and_registers_the_stubs(tmp_path: Path) -> None:
    (tmp_path / "modules.yaml").write_text(configured("single", "modules")["modules.yaml"])
    header = bearer(make_key(tmp_path / "keys.json", "operator", "read"))
    header["Host"] = "orchestrator.openpolicystack.svc.cluster.local"
    here = {"OPS_MODULES_FILE": "modules.yaml", "OPS_API_KEYS_FILE": "keys.json", "OPS_RUNS_DIR": "runs", "OPS_PORT": "0"}
    orchestrator = dict(containers("single"))["orchestrator"]
    with service(tmp_path, *orchestrator["args"], **configured("single", "settings") | here) as (_, url):
        address = f"http://127.0.0.1:{url.rstrip('/').rpartition(':')[2]}"
        asked = {probe["path"] for _, probe in probes(orchestrator)}
        assert {path: HTTP.get(address + path).status_code for path in asked} == {"/health": 200, "/ready": 200}
        listed = HTTP.get(f"{address}/modules", headers=header).raise_for_status().json()
    assert {module["name"] for module in listed["modules"]} == set(MODULES)
