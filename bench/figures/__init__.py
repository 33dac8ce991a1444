"""The figures that the README states, one module each."""
