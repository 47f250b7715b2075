"""Run a module of Python with a wall clock that is wrong: `skewed.py SECONDS MODULE`."""

import runpy
import sys
import time


def main() -> None:
    skew, module = float(sys.argv[1]), sys.argv[2]
    true_time = time.time
    time.time = lambda: true_time() + skew
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
