"""Trains a network, as `keras-lraspp train` does; `--help` lists the flags."""

import sys

from keras_lraspp.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
