"""ecg-anomaly: one lead, ten seconds, three tiers that each say more than the one below."""
