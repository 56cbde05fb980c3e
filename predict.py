"""Segments images, as `keras-lraspp predict` does; `--help` lists the flags."""

import sys

from keras_lraspp.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["predict", *sys.argv[1:]]))
