"""`python -m edgecache`: the same as the console script."""

from edgecache.cli import main

main(prog_name="edgecache")
