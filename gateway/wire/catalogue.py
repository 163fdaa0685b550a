"""Every code that an error, a hold or a refusal can carry: who must act, and plain words for people.

One catalogue for hub, bridge and pages. Dutch is at B1 level. who: patient, installer, hub, operator,
pgo, care-team, dva, xis or standard (the last three: parties outside, for coordinators).
"""

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

# code: (who must act, Dutch, English)
CODES = {}


def explain(code: str) -> tuple[str, str, str]:
    """(who must act, Dutch sentence, English sentence) of a code; a plain fallback for one that is unknown."""
    return CODES.get(code) or (
        "operator",
        "Er ging iets mis: " + code + ".",
        "Something went wrong: " + code + ".",
    )
