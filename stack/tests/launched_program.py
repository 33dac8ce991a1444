"""Program for the tests of launching: reports what it was given, exits with a status, or waits."""

import json
import os
import signal
import sys

match sys.argv[1:]:
    case ["report", *arguments]:
        report = {
            "arguments": arguments,
            "environment": dict(os.environ),
            "folder": os.getcwd(),  # noqa: PTH109 - a str
            "session": os.getsid(0),
            "process": os.getpid(),
            "stdin": sys.stdin.read(),
        }
        sys.stdout.write(json.dumps(report))
        sys.stderr.write("reported")
    case ["exit", status]:
        sys.exit(int(status))
    case _:
        signal.pause()
