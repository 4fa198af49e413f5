"""Charts as SVG: data in, text out. Knows nothing of runs, units or files, and needs no other package."""
