"""Whether a server can be reached from here: exit status 0 if it answers at all, else 1."""

import sys
import urllib.error
import urllib.request

WAIT_SECONDS = 5.0


def is_reachable(url: str) -> bool:
    """Whether the server answers, whatever it says."""
    try:
        with urllib.request.urlopen(url, timeout=WAIT_SECONDS):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not is_reachable(sys.argv[1]))
