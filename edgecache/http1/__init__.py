"""HTTP/1.1 connections of the data plane (RFC 9112): heads and framing as pure functions, one connection class for both sides around them.

Why not a library: docs/architecture.md, "Why our own HTTP/1.1". h11 and llhttp are what the tests compare with.
"""
