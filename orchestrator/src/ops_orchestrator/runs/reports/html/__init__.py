"""The report of a run as one HTML file, and the parts of it that pages show too."""
