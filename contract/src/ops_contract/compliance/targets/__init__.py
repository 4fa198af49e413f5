"""What can be checked, and how each kind of target is started, reached and removed."""
