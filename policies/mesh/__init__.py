"""From simulator to mesh: real daemons as processes, what they take, and the same played in both.

The only place of the training side that talks to daemons, by the client, and starts them, by the demo's household.
"""
