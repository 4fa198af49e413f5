"""Who may do what: keys, what they are needed for, and the sessions of browsers."""
