"""What is in ``deploy/``, held against what reads it, without a container engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "k8s" / "base"
MANIFESTS = [p for p in sorted(BASE.glob("*.yaml")) if p.name != "kustomization.yaml"]


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip(f"{name} is not installed")
    return subprocess.run(
        [str(path), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return document


def test_the_container_file_follows_good_practice() -> None:
    said = tool("hadolint", DEPLOY / "Containerfile")
    assert said.returncode == 0, said.stdout


def test_every_yaml_is_well_written() -> None:
    said = tool("yamllint", "--strict", "-c", DEPLOY / "yamllint.yaml", DEPLOY)
    assert said.returncode == 0, said.stdout


def test_every_manifest_is_one_that_kubernetes_takes(tmp_path: Path) -> None:
    said = tool("kubernetes-validate", "--strict", *MANIFESTS)
    assert said.returncode == 0, said.stdout + said.stderr
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((BASE / "daemon.yaml").read_text().replace("replicas:", "replica:"))
    assert tool("kubernetes-validate", "--strict", wrong).returncode != 0


def test_kustomize_names_every_manifest_and_no_other() -> None:
    named = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    assert sorted(named) == [path.name for path in MANIFESTS]
    for overlay in (DEPLOY / "k8s" / "overlays").iterdir():
        document = yaml.safe_load((overlay / "kustomization.yaml").read_text())
        for each in (*document["resources"], *(p["path"] for p in document["patches"])):
            assert (overlay / each).exists(), each


def test_compose_is_a_compose_file() -> None:
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    assert [error.message for error in validator.iter_errors(compose())] == []
    assert list(validator.iter_errors({"services": {"a": {"prots": ["1:1"]}}}))


def test_only_the_proxy_has_a_port_and_an_outside() -> None:
    services = compose()["services"]
    assert [name for name, each in services.items() if "ports" in each] == ["proxy"]
    assert [name for name, each in services.items() if "outside" in each["networks"]] == ["proxy"]
    assert compose()["networks"]["inside"] == {"internal": True}
    assert "network_mode" not in str(services) and "privileged" not in str(services)


def test_no_secret_has_a_value_or_a_default() -> None:
    for path in DEPLOY.rglob("*"):
        if not path.is_file():
            continue
        text = path.read_text()
        for name in ("DAGSTER_PG_PASSWORD", "OPENCHRONIC_SECRET_FILE", "OPENCHRONIC_TLS"):
            assert not re.search(rf"\$\{{{name}:-[^}}]", text), path
        assert not re.search(r"^\s*(\w*PASSWORD|OPENCHRONIC_SECRET)\s*[=:]\s*['\"]?\w", text, re.M)
    kinds = [doc["kind"] for p in MANIFESTS for doc in yaml.safe_load_all(p.read_text())]
    assert "Secret" not in kinds


def test_every_pod_is_restricted_and_selected_by_a_network_policy() -> None:
    documents = [doc for p in MANIFESTS for doc in yaml.safe_load_all(p.read_text())]
    pods = [
        doc["spec"]["template"] for doc in documents if doc["kind"] in ("Deployment", "StatefulSet")
    ]
    assert len(pods) == 6
    for pod in pods:
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        if "openchronic-home" in str(pod["spec"].get("volumes")):
            policy = pod["spec"]["securityContext"]["fsGroupChangePolicy"]
            assert policy == "OnRootMismatch"  # else the vault would be given to the group
        for each in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])):
            security = each["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert "limits" in each["resources"]
    policies = {doc["metadata"]["name"]: doc for doc in documents if doc["kind"] == "NetworkPolicy"}
    assert policies["default-deny"]["spec"] == {
        "podSelector": {}, "policyTypes": ["Ingress", "Egress"]
    }  # fmt: skip
    outside = [
        name
        for name, doc in policies.items()
        if any("from" not in rule for rule in doc["spec"].get("ingress", []))
    ]
    assert outside == ["proxy"]


def test_units_are_ones_that_systemd_takes(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    folder = DEPLOY / "systemd"
    units = []
    for unit in sorted(folder.iterdir()):
        text = unit.read_text()
        for program in re.findall(r"^ExecStart=/opt/openchronic/\.venv/bin/(\S+)", text, re.M):
            assert Path(sys.executable).with_name(program).exists(), program
        # The programs are not installed where the units look for them.
        units.append(tmp_path / unit.name)
        units[-1].write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M))
    said = subprocess.run(
        ["systemd-analyze", "verify", *map(str, units)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (said.returncode, said.stderr) == (0, "")


def test_a_loaded_server_has_time_to_start_a_run() -> None:
    name = "DAGSTER_GRPC_TIMEOUT_SECONDS"  # Dagster's own 60 were not enough beside a dozen loads
    (settings,) = (
        each["data"]
        for each in yaml.safe_load_all((BASE / "settings.yaml").read_text())
        if each["metadata"]["name"] == "openchronic-environment"
    )
    assert settings[name] == "300"
    environments = [each.get("environment", {}) for each in compose()["services"].values()]
    dagster = [each for each in environments if "DAGSTER_HOME" in each]
    assert dagster and all(each[name] == "300" for each in dagster)
    assert f"\n{name}=300\n" in (DEPLOY / "openchronic.env.example").read_text()
    assert re.search(rf"^    {name}=300 ", (DEPLOY / "Containerfile").read_text(), re.M)


def test_the_proxy_leaves_no_way_without_a_password() -> None:
    template = (DEPLOY / "nginx" / "openchronic.conf.template").read_text()
    assert "ssl_verify_client on;" in template
    assert "auth_basic off" not in template and "satisfy any" not in template
    (inside,) = re.findall(r"server \{(.*)\n\}", template, re.S)
    before_locations = inside.split("location", 1)[0]
    assert "auth_basic_user_file" in before_locations


def test_settings_of_dagster_are_the_same_but_for_the_storage() -> None:
    from openchronic_assets.instance import SETTINGS

    embedded = yaml.safe_load(SETTINGS)
    served = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    (held,) = [
        doc["data"]["dagster.yaml"]
        for doc in yaml.safe_load_all((BASE / "settings.yaml").read_text())
        if "dagster.yaml" in doc["data"]
    ]
    in_pods = yaml.safe_load(held)
    assert in_pods["storage"] == served["storage"]
    for name in ("telemetry", "retention"):
        assert embedded[name] == served[name] == in_pods[name]
    for each in (embedded, served, in_pods):
        assert each["run_monitoring"]["free_slots_after_run_end_seconds"] > 0
        assert each["concurrency"]["pools"] == {"default_limit": 1, "granularity": "op"}
