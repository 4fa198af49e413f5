"""What `GET /metrics` says of the service, for Prometheus: counted from the events of runs, or looked at for a scrape."""
