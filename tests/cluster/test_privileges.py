"""What each service account may do, as exact lists, asked of the server."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.harness_namespaces import Namespaces, attempt, two_namespaces
from tests.cluster.support import Kubectl
from tests.k8s.manifests import RUN_ID, render_run

LEDGER = f"ledger-{RUN_ID}"
OF_ACCOUNTS = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
_LINE = re.compile(r"^(\S*)\s+\[(.*?)\]\s+\[(.*?)\]\s+\[(.*?)\]$")


@dataclass(frozen=True, order=True)
class Right:
    """One line of `kubectl auth can-i --list`."""

    resource: str
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()


NODES = {Right("nodes", ("get", "list")), Right("nodes/metrics", ("get",))}
LEDGER_RIGHT = Right("configmaps", ("get", "patch", "update"), (LEDGER,))
EXPECTED = {
    ("conductor", "harness"): {LEDGER_RIGHT} | NODES,
    ("conductor", "target"): {
        Right("namespaces", ("get",)),
        Right("pods", ("delete", "get", "list")),
        Right("pods.metrics.k8s.io", ("get", "list")),
        Right("pods/resize", ("patch",)),
        Right("services", ("get", "list")),
    }
    | NODES,
    ("conductor", "default"): NODES,
    ("reaper", "harness"): {LEDGER_RIGHT, Right("pods", ("get",))},
    ("reaper", "target"): {
        Right("namespaces", ("get",)),
        Right("pods", ("get", "list")),
        Right("pods/resize", ("patch",)),
    },
    ("reaper", "default"): set(),
    ("worker", "harness"): set(),
    ("worker", "target"): set(),
    ("worker", "default"): set(),
}

PARTS = ("harness", "target", "default", "kube-system")
NEVER = (
    "get secrets",
    "list secrets",
    "get pods --subresource=exec",
    "create pods --subresource=exec",
    "create pods --subresource=portforward",
    "patch pods --subresource=ephemeralcontainers",
    "create pods",
    "patch pods",
    "delete deployments.apps",
    "create serviceaccounts --subresource=token",
    "escalate roles.rbac.authorization.k8s.io",
)


@dataclass(frozen=True)
class Accounts:
    """The service accounts of a run, in a cluster."""

    kubectl: Kubectl
    namespaces: Namespaces

    def user(self, name: str) -> str:
        """Who an account is to the API server."""
        return f"system:serviceaccount:{self.namespaces.harness}:{name}"

    def namespace(self, part: str) -> str:
        """The namespace of the harness, of the target, or another one."""
        return getattr(self.namespaces, part, part)

    def rights(self, name: str, part: str) -> set[Right]:
        """What an account may do there, on resources."""
        user, namespace = self.user(name), self.namespace(part)
        listed = self.kubectl("auth", "can-i", "--list", "--no-headers", f"--as={user}", "-n", namespace)
        lines = [_LINE.match(line.rstrip()) for line in listed.splitlines()]
        assert None not in lines, listed
        return {
            Right(found[1], tuple(sorted(found[4].split())), tuple(found[3].split()))
            for found in lines
            if found and found[1]
        }

    def may(self, name: str, verb: str, thing: str, part: str) -> bool:
        """Whether an account may do one thing; `thing` is a type, TYPE/NAME, or a type with a --subresource."""
        question = ("auth", "can-i", verb, *thing.split(), f"--as={self.user(name)}", "-n", self.namespace(part))
        answer = attempt(self.kubectl, *question)
        assert answer.stdout.strip() in {"yes", "no"}, answer
        return answer.stdout.strip() == "yes"


@pytest.fixture(scope="module")
def accounts(kubectl: Kubectl) -> Iterator[Accounts]:
    """The accounts and roles of a run, and one more account, `nobody`, that was given nothing."""
    with two_namespaces(kubectl) as namespaces:
        rendered = render_run(namespaces.harness, namespaces.target)
        text = json.dumps(
            {
                "apiVersion": "v1",
                "kind": "List",
                "items": [manifest for manifest in rendered if manifest["kind"] in OF_ACCOUNTS],
            }
        )
        try:
            kubectl("apply", "-f", "-", stdin=text)
            kubectl("create", "serviceaccount", "nobody", "-n", namespaces.harness)
            yield Accounts(kubectl, namespaces)
        finally:
            kubectl("delete", "-f", "-", "--ignore-not-found", stdin=text)


@pytest.mark.parametrize(("name", "part"), EXPECTED)
def test_an_account_may_do_exactly_what_is_listed(accounts: Accounts, name: str, part: str) -> None:
    everybodys = accounts.rights("nobody", part)
    assert accounts.rights(f"{name}-{RUN_ID}", part) - everybodys == EXPECTED[name, part]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["conductor", "reaper", "worker"])
def test_nobody_reads_secrets_or_enters_pods(accounts: Accounts, name: str, part: str) -> None:
    allowed = [thing for thing in NEVER if accounts.may(f"{name}-{RUN_ID}", *thing.split(maxsplit=1), part)]
    assert allowed == []


@pytest.mark.parametrize("part", ["harness", "default", "kube-system"])
@pytest.mark.parametrize("thing", ["delete pods", "list pods", "patch pods --subresource=resize", "get services"])
def test_the_conductor_touches_no_other_namespace_than_the_targets(accounts: Accounts, part: str, thing: str) -> None:
    verb, resource = thing.split(maxsplit=1)
    conductor = f"conductor-{RUN_ID}"
    assert accounts.may(conductor, verb, resource, "target")
    assert not accounts.may(conductor, verb, resource, part)


@pytest.mark.parametrize("name", ["conductor", "reaper"])
def test_the_targets_namespace_is_the_only_one_that_is_read(accounts: Accounts, name: str) -> None:
    me = f"--as={accounts.user(f'{name}-{RUN_ID}')}"
    read = {part: attempt(accounts.kubectl, "get", "namespace", accounts.namespace(part), me) for part in PARTS}
    assert {part for part, done in read.items() if done.returncode == 0} == {"target"}
    assert "Forbidden" in attempt(accounts.kubectl, "get", "namespaces", me).stderr


def test_no_account_opens_the_ledger_of_another_run(accounts: Accounts) -> None:
    for name in ("conductor", "reaper"):
        assert accounts.may(f"{name}-{RUN_ID}", "patch", f"configmaps/{LEDGER}", "harness")
        assert not accounts.may(f"{name}-{RUN_ID}", "get", "configmaps/ledger-ffffffff", "harness")
        assert not accounts.may(f"{name}-{RUN_ID}", "list", "configmaps", "harness")


def test_the_reaper_cannot_break_anything(accounts: Accounts) -> None:
    assert not accounts.may(f"reaper-{RUN_ID}", "delete", "pods", "target")
