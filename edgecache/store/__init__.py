"""Where responses are kept: the memory tier, and the spool that a body passes through while it arrives."""
