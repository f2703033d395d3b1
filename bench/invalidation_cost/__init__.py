"""What invalidating costs: `python -m bench.invalidation_cost`, or `make bench CASE=invalidation-cost`."""
