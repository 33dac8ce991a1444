"""The chart of `deploy/helm`: its tools, its rendered objects, and the files generated from it."""
