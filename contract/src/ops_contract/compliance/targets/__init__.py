"""What can be checked: how each kind of target is started, reached and removed again."""
