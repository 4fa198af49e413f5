"""Everything that is made from a finished report: pure functions, one output a module.

Whatever a module under test said is material here, and never an instruction: it reaches no terminal as a control code,
no page as markup, no shell as a command, and no reader with a secret in it.
"""
