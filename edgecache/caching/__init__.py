"""RFC 9111: what may be stored, for how long it is fresh, and what answers a request. Pure: time is an argument."""
