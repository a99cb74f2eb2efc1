"""The manifests: valid, restricted, and in step with each other and with the code."""

import json
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy.sources import ROOT
from serving.permissions import ROUTES
from serving.settings import Settings
from tests.deploy.settings_names import is_known
from tests.deploy.test_dockerfile import SERVING, all_of

FOLDER = ROOT / "deploy/kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))

VERSIONS = ("1.30", "1.37")
"""Oldest and newest of Kubernetes that the manifests are for."""

SECRETS = {
    "tickets": {"TICKETS_STORE", "TICKETS_REDIS", "TICKETS_SALT"},
    "tickets-keys": {"keys.json"},
}
"""Made by hand, as docs/deploy.md tells."""

Manifest = dict[str, Any]


def read() -> list[Manifest]:
    return [
        one
        for name in KUSTOMIZATION["resources"]
        for one in yaml.safe_load_all((FOLDER / name).read_text("utf-8"))
    ]


MANIFESTS = read()


def named(one: Manifest) -> str:
    return f"{one['kind']}/{one['metadata']['name']}"


def of(kind: str) -> list[Manifest]:
    return [one for one in MANIFESTS if one["kind"] == kind]


def pods() -> Iterator[tuple[str, Manifest]]:
    """Everything that becomes a pod: who makes it, and its spec with its labels."""
    for one in MANIFESTS:
        match one["kind"]:
            case "StatefulSet" | "Job":
                yield named(one), one["spec"]["template"]
            case "CronJob":
                yield named(one), one["spec"]["jobTemplate"]["spec"]["template"]


PODS = dict(pods())
[SERVICE] = of("StatefulSet")
POD = SERVICE["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]


def test_every_file_is_applied() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(KUSTOMIZATION["resources"])
    assert len({named(one) for one in MANIFESTS}) == len(MANIFESTS)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", MANIFESTS, ids=named)
def test_every_manifest_is_one_and_holds_no_unknown_field(manifest: Manifest, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("name", PODS)
def test_every_pod_passes_the_restricted_standard(name: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards, restricted."""
    spec = PODS[name]["spec"]
    told = spec["securityContext"]
    assert told["runAsNonRoot"] is True
    assert told["runAsUser"] >= 1000
    assert told["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert not any("hostPath" in volume for volume in spec["volumes"])
    for container in spec["containers"]:
        kept = container["securityContext"]
        assert kept["allowPrivilegeEscalation"] is False
        assert kept["capabilities"] == {"drop": ["ALL"]}
        assert not any("hostPort" in port for port in container.get("ports", ()))
        assert container["resources"]["requests"]["cpu"]
        assert container["resources"]["requests"]["memory"]
        assert container["resources"]["limits"]["memory"]


def test_the_cluster_refuses_pods_that_are_not() -> None:
    [namespace] = of("Namespace")
    assert namespace["metadata"]["name"] == KUSTOMIZATION["namespace"]
    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("name", PODS)
def test_what_a_pod_mounts_and_names_is_there(name: str) -> None:
    spec = PODS[name]["spec"]
    claims = {one["metadata"]["name"] for one in of("PersistentVolumeClaim")}
    templates = {one["metadata"]["name"] for one in SERVICE["spec"]["volumeClaimTemplates"]}
    volumes = {volume["name"] for volume in spec["volumes"]}
    if name == named(SERVICE):
        volumes |= templates
    for volume in spec["volumes"]:
        if "persistentVolumeClaim" in volume:
            assert volume["persistentVolumeClaim"]["claimName"] in claims
        if "secret" in volume:
            kept = SECRETS[volume["secret"]["secretName"]]
            assert {item["key"] for item in volume["secret"].get("items", ())} <= kept
    maps = {one["metadata"]["name"] for one in of("ConfigMap")}
    accounts = {one["metadata"]["name"] for one in of("ServiceAccount")}
    assert spec["serviceAccountName"] in accounts
    for container in spec["containers"]:
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        for source in container.get("envFrom", ()):
            if "configMapRef" in source:
                assert source["configMapRef"]["name"] in maps
            else:
                assert source["secretRef"]["name"] in SECRETS
        for variable in container.get("env", ()):
            if "valueFrom" in variable:
                told = variable["valueFrom"]["secretKeyRef"]
                assert told["key"] in SECRETS[told["name"]]


def test_every_image_has_one_place_to_be_named() -> None:
    known = {f"{one['name']}:{one['newTag']}" for one in KUSTOMIZATION["images"]}
    for pod in PODS.values():
        assert {container["image"] for container in pod["spec"]["containers"]} <= known


def test_every_setting_is_one_and_its_files_are_mounted() -> None:
    [settings] = of("ConfigMap")
    mounts = {mount["mountPath"]: mount["name"] for mount in CONTAINER["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    for name, value in settings["data"].items():
        assert is_known(name), name
        assert isinstance(value, str), "Kubernetes takes nothing else"
        if value.startswith("/run/secrets/"):
            folder, _, file = value.rpartition("/")
            secret = volumes[mounts[folder]]["secret"]
            items = {item["path"]: item["key"] for item in secret.get("items", ())}
            assert items.get(file, file) in SECRETS[secret["secretName"]]
    assert settings["data"]["TICKETS_BUNDLE_STORE"] in mounts
    assert settings["data"]["TICKETS_PROFILE"] == "production"


def test_settings_are_values_that_the_service_takes() -> None:
    [settings] = of("ConfigMap")
    told = {
        name.removeprefix("TICKETS_").lower(): value
        for name, value in settings["data"].items()
        if not name.endswith("_FILE")
    }
    told |= {"profile": "development", "redis": "redis://r:6379/0", "salt": "9f1c0b7d2e6a4835"}
    assert Settings.model_validate(told).processes == 1


def test_selectors_choose_the_pods_of_the_service_and_no_others() -> None:
    labels = SERVICE["spec"]["template"]["metadata"]["labels"]
    selectors = [SERVICE["spec"]["selector"]["matchLabels"]]
    selectors += [one["spec"]["selector"] for one in of("Service")]
    selectors += [one["spec"]["selector"]["matchLabels"] for one in of("PodDisruptionBudget")]
    selectors += [one["labelSelector"]["matchLabels"] for one in POD["topologySpreadConstraints"]]
    others = [pod["metadata"]["labels"] for name, pod in PODS.items() if name != named(SERVICE)]
    assert len(selectors) == 5
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not any(selector.items() <= other.items() for other in others)


def test_ports_lead_to_where_the_service_listens() -> None:
    [port] = CONTAINER["ports"]
    [command] = all_of(SERVING, "CMD")
    words = json.loads(command)
    assert str(port["containerPort"]) == words[words.index("--port") + 1]
    for one in of("Service"):
        assert [target["targetPort"] for target in one["spec"]["ports"]] == [port["name"]]
    assert SERVICE["spec"]["serviceName"] in {one["metadata"]["name"] for one in of("Service")}
    allowed = [
        told["port"]
        for one in of("NetworkPolicy")
        for rule in one["spec"].get("ingress", ())
        for told in rule["ports"]
    ]
    assert allowed == [port["name"]]


def test_probes_ask_what_needs_no_credential() -> None:
    for kind, path in (("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz")):
        asked = CONTAINER[f"{kind}Probe"]["httpGet"]
        assert asked == {"path": path, "port": "http"}
        assert ROUTES[f"GET {path}"] == "probe"


def test_what_is_written_stands_on_a_volume_and_the_rest_is_read_only() -> None:
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = {mount["mountPath"]: mount for mount in CONTAINER["volumeMounts"]}
    assert {place for place, mount in mounts.items() if not mount.get("readOnly")} == {
        "/state", "/tmp",
    }  # fmt: skip
    [user] = all_of(SERVING, "USER")
    told = POD["securityContext"]
    assert user == f"{told['runAsUser']}:{told['runAsGroup']}"
    assert told["fsGroup"] == told["runAsGroup"]


def test_requests_that_run_end_before_the_pod_does() -> None:
    pause = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert POD["terminationGracePeriodSeconds"] > pause + Settings().timeout_seconds


def test_a_disruption_leaves_somebody_who_answers() -> None:
    [scaler], [budget] = of("HorizontalPodAutoscaler"), of("PodDisruptionBudget")
    target = scaler["spec"]["scaleTargetRef"]
    assert f"{target['kind']}/{target['name']}" == named(SERVICE)
    assert target["apiVersion"] == SERVICE["apiVersion"]
    assert scaler["spec"]["minReplicas"] > budget["spec"]["maxUnavailable"]
    assert "replicas" not in SERVICE["spec"], "the autoscaler counts, and nobody overrides it"
    [metric] = scaler["spec"]["metrics"]
    assert metric["resource"]["name"] in CONTAINER["resources"]["requests"]


def test_nothing_may_be_asked_or_ask_but_what_is_named() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of("NetworkPolicy")}
    nothing = policies["tickets-nothing"]
    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    labels = [pod["metadata"]["labels"] for pod in PODS.values()]
    out = policies["tickets-out"]["podSelector"]["matchLabels"]
    assert all(out.items() <= told.items() for told in labels), "all of them ask for names"
    ask = policies["tickets-service"]["podSelector"]["matchLabels"]
    assert [told for told in labels if ask.items() <= told.items()] == [
        SERVICE["spec"]["template"]["metadata"]["labels"]
    ]


def test_jobs_publish_where_the_service_looks() -> None:
    [settings] = of("ConfigMap")
    place = settings["data"]["TICKETS_BUNDLE_STORE"]

    def claim(spec: Manifest, container: Manifest) -> str:
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        return str(volumes[mounts[place]]["persistentVolumeClaim"]["claimName"])

    for one in of("CronJob"):
        spec = PODS[named(one)]["spec"]
        [container] = spec["containers"]
        assert {"name": "TICKETS_BUNDLE_STORE", "value": place} in container["env"]
        assert claim(spec, container) == claim(POD, CONTAINER)


def test_no_secret_is_in_the_manifests() -> None:
    assert not of("Secret")
