"""The chart and the manifests on a real cluster: `make test-k8s`."""
