"""What a zip file of runs may hold: the writer keeps to it, so that whatever is exported can be imported."""

from typing import Final

MOST_ENTRIES: Final = 100_000
"""Files and folders of all runs in one zip file."""

LONGEST_NAME_BYTES: Final = 2048
"""Of an entry, with the folder of its run. The longest name of an artifact takes about half of it."""

MOST_RATIO: Final = 200
"""How many times its own size a zip file may unpack to, if it is not small. What runs leave is rarely packed to a fiftieth."""

SMALL_BYTES: Final = 64 * 1024 * 1024
"""A zip file that unpacks to no more is never taken for a bomb."""
