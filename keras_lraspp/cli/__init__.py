"""Sub-commands of `keras-lraspp`: their flags, and the runs they call."""
