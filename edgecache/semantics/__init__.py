"""RFC 9110: what messages mean. Pure: no I/O, no clock; time is an argument."""
