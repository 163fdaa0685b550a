"""The ledger: everything that the bridge keeps durably, and the only room that touches the database."""
