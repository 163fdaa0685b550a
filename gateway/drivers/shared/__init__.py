"""What all drivers share: reading fields, framing, checksums, clocks, record access, rules for streams."""
