"""Vision with a small and a large member: the two CIFAR-10 networks of the MLPerf Tiny benchmark, as they are."""
