"""The purge APIs of CDNs, each at its own paths: what is asked becomes a call of the doors, and the outcome its vendor's reply."""
