"""CloudFront's API as far as it is about invalidations and what leads to them, and CloudWatch's figures about a distribution.

dialect        the calls, and who answers them
batch          what an InvalidationBatch asks for
invalidations  what was asked for before: CallerReference, status, what is in progress
distributions  distributions and their configuration
metrics        GetMetricStatistics of CloudWatch
sigv4          is a request signed by one of the configured keys?
errors         the codes of errors
xml            XML in and out
page           the page about all this in docs/
"""

from edgecache.control.dialects.cloudfront.dialect import CloudFront

__all__ = ["CloudFront"]
