"""The pure heart: decisions without effects. Time and randomness are arguments; nothing here reads a clock or a file."""
