"""Measurements that stand behind figures in docs/ and README."""
