"""What this machine says about itself: battery, energy, memory, and the init system that started us."""
