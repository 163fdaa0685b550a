"""Codes of the hub's radio and of bonds with devices: who must act, Dutch, English."""

# fmt: off
RADIO = {
    "adapter-off": ("installer",
        "Bluetooth staat uit op deze hub. Zet het aan.",
        "Bluetooth is switched off on this hub. Switch it on."),
    "radio-silent": ("installer",
        "De hub hoort niets via bluetooth. Houd er een telefoon met bluetooth naast.",
        "The hub hears nothing by Bluetooth. Hold a phone with Bluetooth next to it."),
    "bond-elsewhere": ("installer",
        "Het meetapparaat hoort bij een telefoon of een andere hub. Koppel het opnieuw.",
        "The device belongs to a phone or another hub. Pair it again."),
    "bond-other-adapter": ("installer",
        "De koppeling zit in een andere bluetooth-ontvanger van deze hub. Koppel opnieuw.",
        "Another Bluetooth adapter of this hub holds the bond. Pair the device again."),
}
