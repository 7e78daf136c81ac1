"""Throughput, latency and memory, measured against named peers."""
