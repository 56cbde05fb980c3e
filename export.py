"""Exports a network, as `keras-lraspp export` does; `--help` lists the flags."""

import sys

from keras_lraspp.__main__ import run_process

if __name__ == "__main__":
    run_process(["export", *sys.argv[1:]])
