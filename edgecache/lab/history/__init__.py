"""What clients saw while others invalidated, judged: was anything served that an acknowledged invalidation covers?

    events      what can happen, as values: answers of the origin, invalidations, reads, moves of the clock
    coverage    which entry covers what, said once more in the plainest way and not by the code that is judged
    checker     takes events in the order of their ends, and says what must not have happened
    explained   a violation as the few lines that prove it

All of it is pure. Whoever drives the load gives the moments: whole nanoseconds of one clock that nobody moves, no two alike.
"""
