"""Which software this is."""

SOFTWARE = "meethub-firmware 0.1.0"
