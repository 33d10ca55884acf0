"""Which cluster is meant, and how to prove who we are: as for kubectl, a kubeconfig that is named, else our pod's."""

import os
from urllib.parse import urlsplit

import yaml
from kubernetes.client import Configuration
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

from journal.errors import CommandError, Problem

CONTEXT = "GAMEDAY_CONTEXT"


def cluster_configuration(context: str | None = None) -> Configuration:
    """The cluster of the `context`, which GAMEDAY_CONTEXT may name too, or of KUBECONFIG; else the one around this pod.

    Raises:
        CommandError: there is no kubeconfig, or it cannot be used.
    """
    configuration, context = Configuration(), context or os.environ.get(CONTEXT) or None
    if context is None and not os.environ.get("KUBECONFIG"):
        try:
            load_incluster_config(configuration)
        except ConfigException:
            pass  # not in a pod
        else:
            return configuration
    _load_kubeconfig(configuration, context)
    return configuration


def _load_kubeconfig(configuration: Configuration, context: str | None) -> None:
    try:
        # named here, because the library reads the variable only once, as it is imported
        load_kube_config(os.environ.get("KUBECONFIG") or None, context, configuration)
    except (ConfigException, OSError) as error:
        raise _no_kubeconfig(str(error)) from error
    except (ValueError, TypeError, LookupError, AttributeError, yaml.YAMLError) as error:
        # a damaged file fails in all of these ways, and their texts may quote its secrets
        raise _no_kubeconfig(f"it is damaged ({type(error).__name__})") from None
    server = str(configuration.host)
    if not _is_address(server):
        raise _no_kubeconfig(f"its server, {server!r}, is no http or https address")


def _is_address(server: str) -> bool:
    try:
        parts = urlsplit(server)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _no_kubeconfig(why: str) -> CommandError:
    remedy = "set KUBECONFIG to a kubeconfig file, or name another --context"
    return CommandError([Problem("kubeconfig", f"cannot be used: {why}", remedy)])
