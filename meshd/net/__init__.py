"""The network's edge: identities, TLS, sessions, discovery. Turns sockets into typed messages and back."""
