"""Scores a network, as `keras-lraspp evaluate` does; `--help` lists the flags."""

import sys

from keras_lraspp.__main__ import run_process

if __name__ == "__main__":
    run_process(["evaluate", *sys.argv[1:]])
