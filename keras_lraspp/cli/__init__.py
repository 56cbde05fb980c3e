"""The sub-commands of `keras-lraspp`: their flags, and what they call."""
