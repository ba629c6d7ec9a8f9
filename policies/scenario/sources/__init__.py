"""Where the ups and downs of a world come from: recorded traces, or processes that were fitted to some."""
