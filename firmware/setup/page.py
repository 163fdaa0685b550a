"""The setup page in Dutch and English, in pieces: no piece is more than a few hundred bytes in memory.

It works without scripts. WCAG 2.2 AA: labels, language, contrast of 7 and more, targets of 44 px and more,
20 px text, one column from 320 px, dark where the phone is dark.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CSS = (
    ":root{color-scheme:light dark}*{box-sizing:border-box}"
    "body{font:20px/1.5 system-ui,sans-serif;max-width:32em;margin:auto;padding:16px;"
    "color:#1a1a1a;background:#fff}"
    "a{color:#00527f;display:inline-block;padding:8px 0;min-height:44px}h1{font-size:28px;line-height:1.2}"
    "label{display:block;font-weight:600;margin-top:16px}"
    "fieldset{border:2px solid #595959;padding:8px 12px;min-inline-size:0}"
    "fieldset label{font-weight:400;margin:0;padding:8px 0;min-height:44px;overflow-wrap:anywhere;"
    "display:flex;align-items:center}"
    "input[type=radio]{flex:none;width:24px;height:24px;margin:0 12px 0 0}"
    "input[type=text]{width:100%;font:inherit;min-height:48px;padding:8px;border:2px solid #595959}"
    "button{font:inherit;font-weight:600;width:100%;min-height:56px;margin:24px 0;border:0;color:#fff;"
    "background:#00527f}.m{border:4px solid #00527f;padding:8px 12px}"
    ":focus-visible{outline:4px solid #b34e00;outline-offset:2px}"
    "@media(prefers-color-scheme:dark){body{color:#f2f2f2;background:#111}a{color:#8fd0ff}.m{border-color:#8fd0ff}"
    "button{color:#111;background:#8fd0ff}:focus-visible{outline-color:#ffb36b}fieldset,input[type=text]"
    "{border-color:#a6a6a6}}"
)
# One string a language: fifty would each be an object in the heap. Codes have the catalogue's own sentences
# (tests compare), which as a whole would not fit on a board.
WORDS = (
    """
title=Wifi voor uw Meethub
lead=Kies uw wifi en typ het wachtwoord. Dat staat vaak op een sticker op de router.
networks=Welke wifi?
strong=sterk
fair=goed genoeg
weak=zwak
open=geen wachtwoord
other=Een andere wifi, hieronder
name=Naam van een andere wifi
password=Wachtwoord van de wifi
send=Verbinden
again=Zoek opnieuw naar wifi
trying=De hub probeert het nu. Dat duurt hooguit een halve minuut. Blijf op deze pagina.
done=Het is gelukt. De hub is op uw wifi. U kunt deze pagina sluiten.
back=Terug naar het begin
code=Code voor de hulplijn:
wifi-input=De naam of het wachtwoord van de wifi klopt niet. Een wachtwoord heeft 8 tekens of meer.
wifi-not-found=De hub vindt deze wifi niet. Staat de router aan, en dicht genoeg bij de hub?
wifi-password-wrong=Het wachtwoord van de wifi klopt niet. Kijk op de router en typ het opnieuw.
wifi-no-address=De router antwoordt niet goed. Zet de router uit en weer aan.
portal-busy=De hub is nog bezig. Wacht een minuut.
portal-stale=Deze pagina is oud. Begin opnieuw.
otherwise=Dat is niet gelukt. Probeer het opnieuw.
""",
    """
title=Wi-Fi for your Meethub
lead=Choose your Wi-Fi and type the password. It is often on a sticker on the router.
networks=Which Wi-Fi?
strong=strong
fair=good enough
weak=weak
open=no password
other=Another Wi-Fi, below
name=Name of another Wi-Fi
password=Password of the Wi-Fi
send=Connect
again=Look for Wi-Fi again
trying=The hub tries it now. That takes half a minute at most. Stay on this page.
done=Done. The hub is on your Wi-Fi. You can close this page.
back=Back to the start
code=Code for the helpline:
wifi-input=The name or the password of the Wi-Fi is not right. A password has 8 characters or more.
wifi-not-found=The hub does not find this Wi-Fi. Is the router on, and near enough to the hub?
wifi-password-wrong=The Wi-Fi password is not right. Look on the router and type it again.
wifi-no-address=The router does not answer well. Switch the router off and on again.
portal-busy=The hub is still busy. Wait a minute.
portal-stale=This page is old. Start again.
otherwise=That did not work. Try again.
""",
)


def words(language: int, key: str) -> str:
    """language: 0 Dutch, 1 English. Of a key without words of its own those of `otherwise`."""
    _, found, rest = WORDS[language].partition("\n" + key + "=")
    return rest.split("\n", 1)[0] if found else words(language, "otherwise")


def top(language: int) -> "Iterator[str]":
    """From the beginning to the heading."""
    own, other = ("nl", "en") if language == 0 else ("en", "nl")
    yield (
        "<!doctype html><html lang=" + own + "><head><meta charset=utf-8><title>" + words(language, "title")
    )
    yield '</title><meta name=viewport content="width=device-width,initial-scale=1"><style>'
    yield _CSS
    yield (
        "</style></head><body><main><a lang=" + other + " hreflang=" + other + ' href="/?lang=' + other + '">'
    )
    yield ("English" if other == "en" else "Nederlands") + "</a><h1>" + words(language, "title") + "</h1>"


def form(
    language: int, networks: "list[tuple[bytes, int, int]]", token: str, chosen: bytes
) -> "Iterator[str]":
    """chosen: the network that was chosen before."""
    own = "nl" if language == 0 else "en"
    yield "<p>" + words(language, "lead") + '</p><form method=post action="/?lang=' + own + '">'
    yield (
        "<input type=hidden name=token value="
        + token
        + "><fieldset><legend>"
        + words(language, "networks")
        + "</legend>"
    )
    known = False
    for network in networks:
        known = known or network[0] == chosen
        yield _choice(network[0].hex(), _described(network, language), network[0] == chosen)
    yield _choice("", words(language, "other"), bool(chosen) and not known)
    yield "</fieldset>" + _text("other", words(language, "name"), "" if known else shown(chosen))
    yield (
        _text("password", words(language, "password"), "")
        + "<button>"
        + words(language, "send")
        + "</button></form>"
    )
    yield '<a href="/?lang=' + own + '&amp;scan=1">' + words(language, "again") + "</a>"


def trying(language: int) -> str:
    return "<p class=m role=status>" + words(language, "trying") + "</p>"


def done(language: int) -> str:
    return "<p class=m role=status>" + words(language, "done") + "</p>"


def problem(language: int, code: str) -> str:
    told = words(language, code) + "</p><p>" + words(language, "code") + " " + code
    return "<div class=m role=alert><p>" + told + "</p></div>"


def back(language: int) -> str:
    return '<a href="/?lang=' + ("nl" if language == 0 else "en") + '">' + words(language, "back") + "</a>"


BOTTOM = "</main></body></html>"


def _choice(value: str, label: str, chosen: bool) -> str:  # noqa: FBT001
    mark = " checked" if chosen else ""
    return '<label><input type=radio name=network value="' + value + '"' + mark + ">" + label + "</label>"


def _text(name: str, label: str, value: str) -> str:
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
    return "<label for=" + name + ">" + label + "</label>" + field + " autocapitalize=none spellcheck=false>"


def _described(network: "tuple[bytes, int, int]", language: int) -> str:
    ssid, signal, security = network
    strength = "strong" if signal > -60 else "fair" if signal > -75 else "weak"
    told = shown(ssid) + ", " + words(language, strength)
    return told if security else told + ", " + words(language, "open")


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
