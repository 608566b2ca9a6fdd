"""
Where brokers can be had without a broker: an exchange in process, and the wires it speaks.

Nothing here may share our tables: a venue that did could not contradict us.
"""
