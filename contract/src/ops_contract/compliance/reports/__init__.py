"""What is made from a finished report: pure functions, one output in each file.

Text from the module under test is never trusted: it reaches no terminal as a control code, no page as markup and no shell as a
command, and secrets in it are masked.
"""
