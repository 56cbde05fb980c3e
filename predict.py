"""Segments images, as `keras-lraspp predict` does; `--help` lists the flags."""

import sys

from keras_lraspp.__main__ import run_process

if __name__ == "__main__":
    run_process(["predict", *sys.argv[1:]])
