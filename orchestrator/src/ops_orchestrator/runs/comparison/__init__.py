"""What differs between two runs, how much alike their results are, and why they differ."""
