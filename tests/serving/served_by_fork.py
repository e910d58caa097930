"""The real service in a process of its own, started and killed again and again: `python served_by_fork.py SETTINGS`.

What the service imports is imported once; each "start" on the standard input forks a child that runs it. A line on the
standard output says the child's pid, and how it ended (as `os.waitstatus_to_exitcode`) once it has.
"""

import faulthandler
import os
import signal
import sys
import threading
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

from serving import engine, run  # noqa: F401
from serving.settings import Settings


def main() -> None:
    """``SETTINGS``: of the service, as JSON."""
    settings = Settings.model_validate_json(sys.argv[1])
    faulthandler.register(signal.SIGUSR1)  # says into the log where every thread stands
    assert threading.active_count() == 1, "a fork takes only one thread along"
    for line in sys.stdin:
        assert line.strip() == "start"
        child = os.fork()
        if not child:
            code = 70
            try:
                sys.stdin.close()
                run.run(settings)
                code = 0
            finally:
                os._exit(code)
        print(child, flush=True)  # noqa: T201
        _, how = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(how), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
