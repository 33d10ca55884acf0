"""Kustomize manifests that put the harness, and the reference AIA, into a cluster; package data."""
