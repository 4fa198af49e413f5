"""What a module is and how it is called."""
