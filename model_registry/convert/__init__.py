"""From a stranger's model to a bundle of variants with their measured costs; needs the `convert` extra."""
