"""Where responses are kept: a memory tier over a disk tier (tiers.py), and the spool that content passes through while it arrives."""
