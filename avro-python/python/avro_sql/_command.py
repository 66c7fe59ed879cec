"""The command `avro-sql`, which `pip install` puts beside Python."""

from __future__ import annotations

import signal
import sys

from . import _native


def main() -> int:
    """Runs the command with the arguments of this process and returns its exit code."""
    # The command handles Ctrl-C itself.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.run_command(["avro-sql", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
