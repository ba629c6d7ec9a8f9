"""The variants that a model can be turned into without training, one file each."""
