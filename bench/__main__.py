"""`python -m bench`: see README.md."""

import sys

from bench.command import main

# The load generator's processes import this module again, under another name.
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
