"""Exports a network, as `keras-lraspp export` does; `--help` lists the flags."""

import sys

from keras_lraspp.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
