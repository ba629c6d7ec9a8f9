"""What a daemon needs to serve a learned policy: features, the network's file, and a guard around it. No training."""
