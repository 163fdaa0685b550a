"""Captures: what devices said, in a file without names that plays again as a test.

recording (the form of the file, and how it plays) ← redaction (names go out) ← recorder (between radio or
cable and the hub) ← making (the two ways to make one).
"""
