"""What `meethub-gateway pair` says to a person, in Dutch (B1) and English."""

# fmt: off
_WORDS = {
    "searching": (
        "Zoeken naar meetapparaten. Zet het apparaat in de koppelstand, dicht bij de hub.",
        "Looking for devices. Put the device into pairing mode, close to the hub."),
    "choose": (
        "Typ het nummer of het adres van het apparaat en druk op Enter (Ctrl-C stopt):",
        "Type the number or the address of the device and press Enter (Ctrl-C stops):"),
    "left": ("Nog {0} seconden …", "{0} seconds left …"),
    "no-such": ("Dat staat er niet bij: {0}", "That is not in the list: {0}"),
    "found": ("{0:>2}  {1}  {2:<24}  {3:<20}  {4} dBm{5}", "{0:>2}  {1}  {2:<24}  {3:<20}  {4} dBm{5}"),
    "bonded": ("  (al gekoppeld)", "  (paired already)"),
    "how": ("Koppelen met het adres van uw apparaat: {0}", "Pair with the address of your device: {0}"),
    "pairing": ("Koppelen met {0} als {1} …", "Pairing with {0} as {1} …"),
    "do": ("Doe nu dit:", "Do this now:"),
    "passkey": (
        "Typ de zes cijfers die het apparaat toont (of die erop staan) en druk op Enter:",
        "Type the six digits that the device shows (or that stand on it) and press Enter:"),
    "same": (
        "Toont het apparaat ook {0}? Typ ja of nee en druk op Enter:",
        "Does the device show {0} too? Type yes or no and press Enter:"),
    "shows": ("Typ dit op het apparaat: {0}", "Type this on the device: {0}"),
    "unasked": ("Die vraag is vervallen.", "That question has lapsed."),
    "paired": ("Gekoppeld: {0}", "Paired: {0}"),
    "without": (
        "Dit apparaat kent geen koppeling; iedereen in de buurt kan zich ervoor uitgeven.",
        "This device has no bond; anybody near can pretend to be it."),
    "written": ("In de instellingen gezet: {0}", "Put into the configuration: {0}"),
    "add": ("Zet dit in {0}:", "Put this into {0}:"),
    "listening": ("De hub luistert er vanaf nu naar.", "The hub listens to it from now on."),
    "start": (
        "Start nu de hub: systemctl start meethub-gateway",
        "Now start the hub: systemctl start meethub-gateway"),
    "bind": (
        "Zeg nog wiens apparaat het is: meethub-bridge bind --device {0} --citizen …",
        "Say whose device it is: meethub-bridge bind --device {0} --citizen …"),
    "help": ("Zo koppelt u dit apparaat:", "How to pair this device:"),
}
YES = ("j", "ja", "y", "yes")


def word(name: str, language: str, *about: object) -> str:
    """One line in nl or en."""
    return _WORDS[name][0 if language == "nl" else 1].format(*about)
