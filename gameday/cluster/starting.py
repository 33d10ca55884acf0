"""What comes before a run in a cluster: is everything there, may it be broken; then its objects are made."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from chaos.experiment import experiment_names
from gameday.cluster.clean_up import clean_up
from gameday.cluster.kubectl import Kubectl
from gameday.cluster.names import ENVIRONMENT, HARNESS, PART_OF, RUN, RunNames
from gameday.cluster.rendering import CREDENTIALS, LOAD_SECRET, is_plan
from gameday.cluster.run import ClusterRun
from journal.errors import ClusterRefused, CommandError, GamedayError, Problem, ProfileError
from journal.plan import Plan
from journal.profile import Profile
from probes.kubernetes_api import Json, KubernetesApi

_APPLY_S = 120.0
_FIRST_ANSWER_S = 3.0  # whoever waits at a terminal shall not wait long to hear that nobody answers
_RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


@contextmanager
def refusals_explained() -> Iterator[None]:
    """Where the cluster forbids something to whoever calls, that is bad input and no defect of ours."""
    try:
        yield
    except ClusterRefused as error:
        if error.status not in {401, 403}:
            raise
        remedy = "use a --context with the rights to make Jobs, Roles and the like in both namespaces"
        raise CommandError([Problem("cluster", str(error), remedy)]) from error


def check_fits_cluster(plan: Plan, profile: Profile) -> None:
    """Raises BadInput when plan or profile make no sense from inside a cluster."""
    if profile.platform.kind != "kubernetes":
        what = f"platform.kind is {profile.platform.kind}"
        raise ProfileError([Problem(f"profile: {profile.name}", what, "in a cluster it has to be kubernetes")])
    known = experiment_names()
    strange = [fault.experiment for fault in plan.faults if fault.experiment not in known]
    if strange:
        what = f"{', '.join(strange)}: files do not come along into the cluster"
        raise CommandError([Problem("plan: faults", what, f"the image holds: {', '.join(known)}")])


def check_cluster(api: KubernetesApi, profile: Profile) -> None:
    """Asks the cluster whether it answers, and whether the target's namespace may be touched.

    Raises:
        ClusterUnreachable: nobody answers.
        ProfileError: the namespace is not there, or does not carry the profile's environment.
    """
    api.hurried(patience_s=_FIRST_ANSWER_S).get("/version")
    name, wanted = profile.platform.cluster.namespace, profile.platform.environment
    try:
        namespace = api.get(f"/api/v1/namespaces/{name}")
    except ClusterRefused as error:
        if error.status != 404:
            raise
        remedy = "deploy the target first, or name its namespace in the profile"
        raise ProfileError([Problem("platform.cluster.namespace", f"there is no {name}", remedy)]) from error
    found = (namespace["metadata"].get("labels") or {}).get(ENVIRONMENT)
    if found != wanted:
        what = f"the namespace {name} carries {ENVIRONMENT}={found}" if found else f"{name} has no label {ENVIRONMENT}"
        remedy = f"if it may be broken: kubectl label namespace {name} --overwrite {ENVIRONMENT}={wanted}"
        raise ProfileError([Problem("platform.environment", what, remedy)])


def may_read_nodes(api: KubernetesApi) -> bool:
    """Whether the caller may grant the right to read the kubelets' metrics, which takes a ClusterRole."""
    questions = [
        {"group": "rbac.authorization.k8s.io", "resource": "clusterroles", "verb": "create"},
        {"group": "rbac.authorization.k8s.io", "resource": "clusterrolebindings", "verb": "create"},
        {"group": "", "resource": "nodes", "subresource": "metrics", "verb": "get"},
    ]
    return all(_may(api, question) for question in questions)


def _may(api: KubernetesApi, question: Mapping[str, str]) -> bool:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": dict(question)},
    }
    answer = api.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    return bool(answer.get("status", {}).get("allowed"))


def credential_names(profile: Profile) -> tuple[str, ...]:
    """The environment variables in which the profile expects its credentials and secrets."""
    given = profile.credentials
    own = given.client_id_env, given.client_secret_env, profile.platform.cluster.redis.password_env
    return *own, *profile.secrets.values()


def credentials(profile: Profile, environment: Mapping[str, str]) -> dict[str, str]:
    """These variables, as far as they are set here."""
    return {name: environment[name] for name in credential_names(profile) if environment.get(name)}


def put_into_cluster(run: ClusterRun, objects: list[Json], secret: Mapping[str, str]) -> None:
    """Makes the namespace, if need be, and all objects of the run; when that fails, what was made is removed again.

    The plan comes first: by its list of all objects `gameday k8s attach` cleans up whatever comes after.

    Raises:
        CommandError: the cluster refuses; with its reason.
    """
    try:
        _ensure_namespace(run.api, run.names)
        plan = next(found for found in objects if is_plan(found))
        run.api.create(run.names.path("configmaps"), plan)
        if secret:
            _make_secret(run.api, run.names, CREDENTIALS, secret)
        _make_secret(run.api, run.names, LOAD_SECRET, {"secret": secrets.token_urlsafe(32)})
        _apply(run.kubectl, [found for found in objects if found is not plan])
    except GamedayError:
        clean_up(run)
        raise


def _ensure_namespace(api: KubernetesApi, names: RunNames) -> None:
    """Makes the harness's namespace when it is not there; then it carries the run's label, so that it goes with it."""
    labels = {PART_OF: HARNESS, RUN: names.run_id, **_RESTRICTED}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.namespace, "labels": labels}}
    try:
        api.get(f"/api/v1/namespaces/{names.namespace}")
    except ClusterRefused as error:
        if error.status != 404:
            raise
        api.create("/api/v1/namespaces", body)


def _make_secret(api: KubernetesApi, names: RunNames, base: str, values: Mapping[str, str]) -> None:
    """Makes one of the run's Secrets, which its pods take in; nothing of it touches disk or arguments."""
    metadata = {"name": names.of(base), "labels": names.labels(base)}
    body: Json = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(values)}
    api.create(names.path("secrets"), body)


def _apply(kubectl: Kubectl, objects: list[Json]) -> None:
    """Makes the objects. Raises CommandError with the cluster's reason; some of them may have been made then."""
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    kubectl.call("apply", "--server-side", "--field-manager=gameday", "--filename=-", stdin=listed, timeout_s=_APPLY_S)
