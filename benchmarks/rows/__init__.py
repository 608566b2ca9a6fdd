"""
The measured work, ours and that of each peer; `benchmarks/bench.py` runs it.

A work is a generator: it prepares, then each `next` does one round and yields its `Round`.
"""
