"""Codes of the ESP32 hub's own boundaries: who must act, Dutch, English."""

# fmt: off
FIRMWARE: dict[str, tuple[str, str, str]] = {
    # Getting onto a Wi-Fi.
    "improv-command": ("installer",
        "De hub begrijpt deze opdracht niet, of mag hem nu niet uitvoeren. Druk op de knop en probeer het opnieuw.",
        "The hub does not understand this command, or may not obey it now. Press the button and try again."),
    "wifi-input": ("patient",
        "De naam of het wachtwoord van de wifi klopt niet. Een wachtwoord heeft 8 tekens of meer.",
        "The name or the password of the Wi-Fi is not right. A password has 8 characters or more."),
    "wifi-not-found": ("patient",
        "De hub vindt deze wifi niet. Staat de router aan, en dicht genoeg bij de hub?",
        "The hub does not find this Wi-Fi. Is the router on, and near enough to the hub?"),
    "wifi-password-wrong": ("patient",
        "Het wachtwoord van de wifi klopt niet. Kijk op de router en typ het opnieuw.",
        "The Wi-Fi password is not right. Look on the router and type it again."),
    "wifi-no-address": ("patient",
        "De router antwoordt niet goed. Zet de router uit en weer aan.",
        "The router does not answer well. Switch the router off and on again."),
    "wifi-failed": ("patient",
        "Verbinden met de wifi lukt niet. Zet de hub dichter bij de router en probeer het opnieuw.",
        "Connecting to the Wi-Fi fails. Put the hub nearer to the router and try again."),
}
