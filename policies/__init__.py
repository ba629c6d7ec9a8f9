"""The training side: worlds, a simulator with the real core inside, learners, baselines and their evaluation.

Nothing of this is needed by a daemon; what a daemon needs to serve a policy is in :mod:`meshd.policy`.
"""
