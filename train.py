"""Trains a network, as `keras-lraspp train` does; `--help` lists the flags."""

import sys

from keras_lraspp.__main__ import run_process

if __name__ == "__main__":
    run_process(["train", *sys.argv[1:]])
