"""Which pin does what, a module for each board; made from hardware/boards/*.toml by the workshop."""
