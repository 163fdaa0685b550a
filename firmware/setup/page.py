"""The setup page in Dutch and English, in pieces: no piece is more than a few hundred bytes in memory.

It works without scripts. WCAG 2.2 AA: labels, language, contrast of 7 and more, targets of 44 px and more,
20 px text, one column from 320 px, dark where the phone is dark.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Pair = tuple[str, str]

_CSS = (
    ":root{color-scheme:light dark}*{box-sizing:border-box}"
    "body{font:20px/1.5 system-ui,sans-serif;max-width:32em;margin:auto;padding:16px;"
    "color:#1a1a1a;background:#fff}"
    "a{color:#00527f;display:inline-block;padding:8px 0;min-height:44px}h1{font-size:28px;line-height:1.2}"
    "label{display:block;font-weight:600;margin-top:16px}fieldset{border:2px solid #595959;padding:8px 12px}"
    "fieldset label{font-weight:400;margin:0;padding:8px 0;min-height:44px;overflow-wrap:anywhere}"
    "input[type=radio]{width:24px;height:24px;margin-right:12px;vertical-align:middle}"
    "input[type=text]{width:100%;font:inherit;min-height:48px;padding:8px;border:2px solid #595959}"
    "button{font:inherit;font-weight:600;width:100%;min-height:56px;margin:24px 0;border:0;color:#fff;"
    "background:#00527f}.m{border:4px solid #00527f;padding:8px 12px}"
    ":focus-visible{outline:4px solid #b34e00;outline-offset:2px}"
    "@media(prefers-color-scheme:dark){body{color:#f2f2f2;background:#111}a{color:#8fd0ff}.m{border-color:#8fd0ff}"
    "button{color:#111;background:#8fd0ff}:focus-visible{outline-color:#ffb36b}fieldset,input[type=text]"
    "{border-color:#a6a6a6}}"
)
_TITLE = ("Wifi voor uw Meethub", "Wi-Fi for your Meethub")
_LEAD = (
    "Kies uw wifi en typ het wachtwoord. Dat staat vaak op een sticker op de router.",
    "Choose your Wi-Fi and type the password. It is often on a sticker on the router.",
)
_NETWORKS = ("Welke wifi?", "Which Wi-Fi?")
_SIGNAL = (("sterk", "strong"), ("goed genoeg", "good enough"), ("zwak", "weak"))
_OPEN = ("geen wachtwoord", "no password")
_OTHER = ("Een andere wifi, hieronder", "Another Wi-Fi, below")
_NAME = ("Naam van een andere wifi", "Name of another Wi-Fi")
_PASSWORD = ("Wachtwoord van de wifi", "Password of the Wi-Fi")
_SEND = ("Verbinden", "Connect")
_AGAIN = ("Zoek opnieuw naar wifi", "Look for Wi-Fi again")
_TRYING = (
    "De hub probeert het nu. Dat duurt hooguit een halve minuut. Blijf op deze pagina.",
    "The hub tries it now. That takes half a minute at most. Stay on this page.",
)
_DONE = (
    "Het is gelukt. De hub is op uw wifi. U kunt deze pagina sluiten.",
    "Done. The hub is on your Wi-Fi. You can close this page.",
)
_BACK = ("Terug naar het begin", "Back to the start")
_CODE = ("Code voor de hulplijn: ", "Code for the helpline: ")
# The catalogue's own sentences (tests compare), which as a whole would not fit on a board.
SENTENCES = {
    "wifi-input": (
        "De naam of het wachtwoord van de wifi klopt niet. Een wachtwoord heeft 8 tekens of meer.",
        "The name or the password of the Wi-Fi is not right. A password has 8 characters or more.",
    ),
    "wifi-not-found": (
        "De hub vindt deze wifi niet. Staat de router aan, en dicht genoeg bij de hub?",
        "The hub does not find this Wi-Fi. Is the router on, and near enough to the hub?",
    ),
    "wifi-password-wrong": (
        "Het wachtwoord van de wifi klopt niet. Kijk op de router en typ het opnieuw.",
        "The Wi-Fi password is not right. Look on the router and type it again.",
    ),
    "wifi-no-address": (
        "De router antwoordt niet goed. Zet de router uit en weer aan.",
        "The router does not answer well. Switch the router off and on again.",
    ),
    "portal-busy": ("De hub is nog bezig. Wacht een minuut.", "The hub is still busy. Wait a minute."),
    "portal-stale": ("Deze pagina is oud. Begin opnieuw.", "This page is old. Start again."),
}
_OTHERWISE = ("Dat is niet gelukt. Probeer het opnieuw.", "That did not work. Try again.")


def top(language: int) -> "Iterator[str]":
    """From the beginning to the heading."""
    code, other = ("nl", "en") if language == 0 else ("en", "nl")
    yield "<!doctype html><html lang=" + code + "><head><meta charset=utf-8><title>" + _TITLE[language]
    yield '</title><meta name=viewport content="width=device-width,initial-scale=1"><style>'
    yield _CSS
    yield (
        "</style></head><body><main><a lang=" + other + " hreflang=" + other + ' href="/?lang=' + other + '">'
    )
    yield ("English" if other == "en" else "Nederlands") + "</a><h1>" + _TITLE[language] + "</h1>"


def form(
    language: int, networks: "list[tuple[bytes, int, int]]", token: str, chosen: bytes
) -> "Iterator[str]":
    """chosen: the network that was chosen before."""
    code = "nl" if language == 0 else "en"
    yield "<p>" + _LEAD[language] + '</p><form method=post action="/?lang=' + code + '">'
    yield (
        "<input type=hidden name=token value="
        + token
        + "><fieldset><legend>"
        + _NETWORKS[language]
        + "</legend>"
    )
    known = False
    for network in networks:
        known = known or network[0] == chosen
        yield _choice(network[0].hex(), _described(network, language), network[0] == chosen)
    yield _choice("", _OTHER[language], bool(chosen) and not known)
    yield "</fieldset>" + _text("other", _NAME[language], "" if known else shown(chosen))
    yield _text("password", _PASSWORD[language], "") + "<button>" + _SEND[language] + "</button></form>"
    yield '<a href="/?lang=' + code + '&amp;scan=1">' + _AGAIN[language] + "</a>"


def trying(language: int) -> str:
    return "<p class=m role=status>" + _TRYING[language] + "</p>"


def done(language: int) -> str:
    return "<p class=m role=status>" + _DONE[language] + "</p>"


def problem(language: int, code: str) -> str:
    said = SENTENCES.get(code, _OTHERWISE)[language]
    return "<div class=m role=alert><p>" + said + "</p><p>" + _CODE[language] + code + "</p></div>"


def back(language: int) -> str:
    return '<a href="/?lang=' + ("nl" if language == 0 else "en") + '">' + _BACK[language] + "</a>"


BOTTOM = "</main></body></html>"


def _choice(value: str, words: str, chosen: bool) -> str:  # noqa: FBT001
    mark = " checked" if chosen else ""
    return '<label><input type=radio name=network value="' + value + '"' + mark + ">" + words + "</label>"


def _text(name: str, words: str, value: str) -> str:
    """Shown while it is typed: fewer mistakes, and who stands beside it can read the router's sticker too."""
    field = (
        "<input type=text name="
        + name
        + " id="
        + name
        + ' value="'
        + value
        + '" maxlength=64 autocomplete=off'
    )
    return "<label for=" + name + ">" + words + "</label>" + field + " autocapitalize=none spellcheck=false>"


def _described(network: "tuple[bytes, int, int]", language: int) -> str:
    ssid, signal, security = network
    words = shown(ssid) + ", " + _SIGNAL[0 if signal > -60 else 1 if signal > -75 else 2][language]
    return words if security else words + ", " + _OPEN[language]


def shown(ssid: bytes) -> str:
    """The name of a network as harmless HTML; what is no text becomes question marks."""
    try:
        text = ssid.decode()
    except ValueError:
        text = "".join([chr(b) if b < 128 else "?" for b in ssid])
    return "".join([_sign(sign) for sign in text])


def _sign(sign: str) -> str:
    """Neither markup nor what turns a line around or hides in it."""
    number = ord(sign)
    if sign in "&<>\"'":
        return "&#%d;" % number
    return "?" if number < 32 or 127 <= number < 160 or 0x200B <= number < 0x2070 else sign
