"""What makes stored responses unusable before their time: selectors, the log they are appended to, and the doors that append.

Nothing is deleted when an invalidation arrives. The log gets an entry, and every lookup asks the log about the response it found.
"""
