"""What parts are worth: the same worlds under the same policies, with one thing changed at a time."""
