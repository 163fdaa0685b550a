"""Signing on the hub: SHA-512 and Ed25519 for what it seals, P-256 for its TLS key."""
