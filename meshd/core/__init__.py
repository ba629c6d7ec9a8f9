"""The pure heart: decisions without effects. Time and randomness are arguments; nothing here does IO."""
