"""What a person sees: documents turned into tables. Pure, no IO."""
