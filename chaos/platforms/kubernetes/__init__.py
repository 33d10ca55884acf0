"""The target as pods of a cluster, reached through the cluster's API server."""
