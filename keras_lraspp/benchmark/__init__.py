"""Benchmark of the variants: size, latency and memory by export format."""
