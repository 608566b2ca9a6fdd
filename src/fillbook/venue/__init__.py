"""
Venues for tests: a simulated exchange in this process, and emulators of brokers' APIs over it.

Nothing here imports the tables of `core`: a venue that shared them could not contradict us.
"""
