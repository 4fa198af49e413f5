"""Runs in an S3 bucket: the bucket, the fence, the writer, and the copies through which runs are read."""
