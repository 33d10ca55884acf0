"""Which cluster is meant, and how to prove who we are: the pod's own service account, else a kubeconfig."""

import os

import yaml
from kubernetes.client import Configuration
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

from journal.errors import CommandError, Problem


def cluster_configuration(context: str | None = None) -> Configuration:
    """The cluster around this pod, else the one that the kubeconfig names, or its other `context`.

    Raises:
        CommandError: there is no kubeconfig, or it cannot be used.
    """
    configuration = Configuration()
    try:
        load_incluster_config(configuration)
    except ConfigException:
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


def _no_kubeconfig(why: str) -> CommandError:
    remedy = "set KUBECONFIG to a kubeconfig file, or name another --context"
    return CommandError([Problem("kubeconfig", f"cannot be used: {why}", remedy)])
