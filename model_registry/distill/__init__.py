"""From a large model to a small one that fits: distillation and structured pruning; needs the `torch` extra."""
