"""`gameday k8s`: the commands for a cluster."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import click

from gameday.check_report import Checked
from gameday.cluster.data_files import data_files
from gameday.cluster.finding import find_run, local_directory, plan_of
from gameday.cluster.kubectl import Kubectl
from gameday.cluster.ledgers import recover_all_in
from gameday.cluster.names import NAMESPACE, RUN, RunNames
from gameday.cluster.rendering import CREDENTIALS, LOAD_SECRET, Wanted, render, to_yaml
from gameday.cluster.run import ClusterRun
from gameday.cluster.starting import (
    check_cluster,
    check_fits_cluster,
    credential_names,
    credentials,
    may_read_nodes,
    put_into_cluster,
    refusals_explained,
)
from gameday.cluster.through import see_through
from gameday.inputs import (
    check_namespace,
    check_run_id,
    default_directory,
    out_option,
    plain_option,
    plan_argument,
    read_checked,
    tell_undecidable,
)
from gameday.options import Overrides
from gameday.recording import travelling
from gameday.recovery_report import print_recovery
from gameday.sources import text_of
from gameday.stop_signals import StopSignals
from journal.exit_codes import ExitCode
from journal.profile import Profile
from journal.run_directory import make_run_directory, new_run_id
from probes.kubeconfig import CONTEXT
from probes.kubernetes_api import KubernetesApi

_context_option = click.option(
    "--context", metavar="NAME", help="Context of the kubeconfig (default: its current one)."
)
_profile_option = click.option(
    "--profile", default="kubernetes", show_default=True, help="Name or file of the target's profile."
)
_namespace_option = click.option(
    "--namespace",
    default=NAMESPACE,
    show_default=True,
    callback=check_namespace,
    metavar="NAME",
    help="Where the harness runs.",
)
_image_option = click.option("--image", metavar="REF", help="Image of the harness (default: that of the manifests).")
_overlay_option = click.option(
    "--overlay",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A folder with a kustomization over k8s/base, used instead of it.",
)


@click.group()
def k8s() -> None:
    """Runs plans inside a Kubernetes cluster; needs kubectl and a kubeconfig."""


@k8s.command()
@plan_argument
@_profile_option
@_context_option
@_namespace_option
@_image_option
@_overlay_option
@out_option
@click.option("--keep", is_flag=True, help="Leave everything in the cluster in the end.")
@plain_option
def run(
    *,
    plan: str,
    profile: str,
    context: str | None,
    namespace: str,
    image: str | None,
    overlay: Path | None,
    out: Path | None,
    keep: bool,
    plain: bool,
) -> ExitCode:
    """Runs PLAN in the cluster, brings the run directory home, and exits by its verdict.

    It takes from the cluster what it put there. A run that this command was cut off from is taken up by `attach`.
    """
    checked = _checked(plan, profile)
    kubectl, api = Kubectl.find(context), KubernetesApi.connect(context=context)
    with refusals_explained():
        check_cluster(api, checked.profile)
        tell_undecidable(checked)
        own = credentials(checked.profile, os.environ)
        wanted = Wanted(
            names=RunNames(new_run_id(), namespace),
            target_namespace=checked.profile.platform.cluster.namespace,
            plan=travelling(text_of(plan, "plan"), checked.plan),
            profile=text_of(profile, "profile"),
            data=data_files(profile, checked.profile),
            workers=checked.plan.load.workers,
            image=image,
            overlay=overlay,
            node_readings=may_read_nodes(api),
            own_secret=bool(own),
        )
        objects = render(kubectl, wanted)
        local = make_run_directory(out or default_directory(checked.plan.name))
        cluster_run = ClusterRun(wanted.names, checked.plan, local, api, kubectl)
        with _stop_signals(wanted.names) as stop:
            put_into_cluster(cluster_run, objects, own)
            click.echo(f"run {wanted.names.run_id} in namespace {namespace}, run directory {local.path}")
            return see_through(cluster_run, stop, keep=keep, plain=plain)


@k8s.command()
@click.argument("run_id", metavar="[RUN_ID]", required=False, callback=check_run_id)
@_context_option
@_namespace_option
@out_option
@click.option("--keep", is_flag=True, help="Leave everything in the cluster in the end.")
@plain_option
def attach(
    *, run_id: str | None, context: str | None, namespace: str, out: Path | None, keep: bool, plain: bool
) -> ExitCode:
    """Takes up a run that was left: follows it, brings it home, cleans up, exits by its verdict.

    Without RUN_ID it takes the only run in the namespace. A run may have ended long ago.
    """
    kubectl, api = Kubectl.find(context), KubernetesApi.connect(context=context)
    with refusals_explained():
        found = find_run(api, namespace, run_id)
        names, plan = RunNames(found["metadata"]["labels"][RUN], namespace), plan_of(found)
        local = local_directory(names.run_id, out, default_directory(plan.name))
        with _stop_signals(names) as stop:
            click.echo(f"run {names.run_id} in namespace {namespace}, run directory {local.path}")
            return see_through(ClusterRun(names, plan, local, api, kubectl), stop, keep=keep, plain=plain)


@k8s.command("render")
@plan_argument
@_profile_option
@_namespace_option
@_image_option
@_overlay_option
@click.option("--run-id", callback=check_run_id, metavar="ID", help="The id of the run (default: a new one).")
@click.option("--node-readings", is_flag=True, help="With the ClusterRole that reading the kubelets' metrics takes.")
def render_command(
    *,
    plan: str,
    profile: str,
    namespace: str,
    image: str | None,
    overlay: Path | None,
    run_id: str | None,
    node_readings: bool,
) -> ExitCode:
    """Prints the manifests of a run of PLAN, for people who apply them themselves; `attach` then sees it through."""
    checked = _checked(plan, profile)
    names = RunNames(run_id or new_run_id(), namespace)
    wanted = Wanted(
        names=names,
        target_namespace=checked.profile.platform.cluster.namespace,
        plan=travelling(text_of(plan, "plan"), checked.plan),
        profile=text_of(profile, "profile"),
        data=data_files(profile, checked.profile),
        workers=checked.plan.load.workers,
        image=image,
        overlay=overlay,
        node_readings=node_readings,
    )
    objects = render(Kubectl.find(), wanted)
    for line in _preface(names, checked.profile):
        click.echo(f"# {line}".rstrip())
    click.echo(to_yaml(objects), nl=False)
    return ExitCode.PASS


def _preface(names: RunNames, profile: Profile) -> Iterator[str]:
    namespace = names.namespace
    yield f"Run {names.run_id}. Its namespace has to be there; to make it: kubectl create namespace {namespace}"
    yield f"A target that wants credentials takes a Secret {CREDENTIALS}; out of a file, so no value is an argument:"
    yield f"  kubectl --namespace {namespace} create secret generic {CREDENTIALS} --from-env-file=FILE"
    yield f"with lines such as {', '.join(f'{name}=…' for name in credential_names(profile))}."
    yield f"Master and workers know each other by a Secret {names.of(LOAD_SECRET)}, if there is one before they start:"
    make = f"create secret generic {names.of(LOAD_SECRET)} --from-file=secret=/dev/stdin"
    yield f"  openssl rand -hex 32 | kubectl --namespace {namespace} {make}"
    yield f"To follow the run, fetch its results and clean up: gameday k8s attach {names.run_id}"


@k8s.command()
@_context_option
@_namespace_option
def recover(context: str | None, namespace: str) -> ExitCode:
    """Reverts every fault that a ledger of the namespace still holds; safe at any time, the reapers do the same."""
    if context:
        os.environ[CONTEXT] = context  # for the faults' own ways to the cluster
    with refusals_explained():
        recovery = recover_all_in(KubernetesApi.connect(), namespace)
    return print_recovery(recovery)


def _checked(plan: str, profile: str) -> Checked:
    checked = read_checked(plan, profile, Overrides())
    check_fits_cluster(checked.plan, checked.profile)
    return checked


def _stop_signals(names: RunNames) -> StopSignals:
    farewell = f"stopped waiting; the run goes on in the cluster, to take it up: gameday k8s attach {names.run_id}"
    return StopSignals(last=2, farewell=farewell, leaving={signal.SIGHUP})  # whose terminal is gone may come back
