"""Scores a network, as `keras-lraspp evaluate` does; `--help` lists the flags."""

import sys

from keras_lraspp.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
