"""Parameters: the values that a description depends on and that its bytes do not say."""
