"""The invalidation methods of the data plane: PURGE, BAN and their like, as the programs send them that know how to purge a Varnish.

forms     what such requests can say, one row each: the table from which requests are read and docs/purge-methods.md is made
patterns  regular expressions of well-known shapes, and lists of tags, as they stand in fields
door      who may, and what comes of it
answers   the acknowledgement, as these programs need it
"""
