"""Every code that an error, a hold, a refusal or a journey can carry: who must act, in plain words.

One catalogue for hub, bridge and pages, kept in five tables. Dutch is at B1 level. docs/errors.md shows it.
"""

from gateway.wire.codes_bridge import BRIDGE
from gateway.wire.codes_firmware import FIRMWARE
from gateway.wire.codes_hub import HUB
from gateway.wire.codes_radio import RADIO
from gateway.wire.codes_readings import READINGS

# The last three: parties outside, for coordinators. hub: the hub or the bridge goes on by itself.
PARTIES = (
    "patient",
    "installer",
    "hub",
    "operator",
    "pgo",
    "care-team",
    "dva",
    "xis",
    "standard",
)

LANGUAGES = ("nl", "en")
_WHO = {"nl": "Wie moet iets doen", "en": "Who must act"}

# code: (who must act, Dutch, English)
CODES = dict(HUB)
CODES.update(FIRMWARE)
CODES.update(RADIO)
CODES.update(BRIDGE)
CODES.update(READINGS)


def explain(code: str) -> tuple[str, str, str]:
    """(who must act, Dutch, English) of a code; a plain fallback for one that is unknown."""
    return CODES.get(code) or (
        "operator",
        "Er ging iets mis: " + code + ".",
        "Something went wrong: " + code + ".",
    )


def told(code: str, language: str, detail: str = "") -> str:
    """One line for people: what is wrong and who must act; then code and detail, for a closer look."""
    found = explain(code)
    closer = code + (": " + detail if detail else "")
    return (
        found[1 + LANGUAGES.index(language)] + " " + _WHO[language] + ": " + found[0] + ". (" + closer + ")"
    )


def spoken(environment: dict[str, str]) -> str:
    """The language of a terminal, from its environment (POSIX: LC_ALL, LC_MESSAGES, LANG): nl or en."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return "nl" if environment[name].startswith("nl") else "en"
    return "en"
