"""The compliance kit: what a module does against the contract, with proof and with a way to mend it."""
