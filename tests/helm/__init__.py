"""Checks of the chart and of the plain manifests, without a cluster."""
