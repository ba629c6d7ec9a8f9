"""Which variant a device should run: what it would cost there, and why."""
