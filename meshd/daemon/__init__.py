"""The running node: builds the edges around one scheduler and pumps events and commands between them."""
