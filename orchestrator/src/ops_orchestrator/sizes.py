"""Numbers of bytes for people."""


def bytes_text(size: int) -> str:
    """A number of bytes for people, in units of 1,000."""
    amount, units = float(size), iter(("B", "kB", "MB", "GB"))
    for unit in units:
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"
