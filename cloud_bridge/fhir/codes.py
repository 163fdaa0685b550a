"""The codes of each kind: LOINC, IEEE 11073 (MDC) and SNOMED CT, with the Dutch words for people.

Sources: nl-core R4 0.12.1 (Nictiz zib2020) for LOINC, SNOMED CT and units; HL7 Personal Health Devices guide
2.0.0 and IEEE 11073-10101 for MDC (partition x 65536 + term); LOINC 61006-3 from loinc.org. The coding that a
nl-core profile fixes stands first: some validators compare the lists position by position.
"""

from dataclasses import dataclass, field

LOINC = "http://loinc.org"
MDC = "urn:iso:std:iso:11073:10101"
SNOMED = "http://snomed.info/sct"

NL_CORE = "http://nictiz.nl/fhir/StructureDefinition/"
VITAL_SIGNS = "http://hl7.org/fhir/StructureDefinition/vitalsigns"
"""FHIR's own base profile: claimed where no Dutch one exists or where it does not hold (kPa, no value)."""


@dataclass(frozen=True)
class Concept:
    """What is measured: Dutch words, its codings in order, and the UCUM units that a device may use.

    unit: the one that the nl-core profile demands; with another one the profile is not claimed.
    """

    text: str
    codings: tuple[tuple[str, str], ...]
    units: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class Single:
    """A value that becomes an Observation of its own."""

    part: str
    concept: Concept
    profile: str


@dataclass(frozen=True)
class Panel:
    """Values that stand together as components of one Observation; `required` ones are always there."""

    part: str
    concept: Concept
    profile: str
    components: dict[str, Concept]
    required: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """How a kind of reading is divided over Observations; singles by the name of their value."""

    panel: Panel | None
    singles: dict[str, Single] = field(default_factory=dict)

    def concept(self, name: str) -> Concept | None:
        """The concept of a value of this kind; None for a name that the kind does not have."""
        if name in self.singles:
            return self.singles[name].concept
        return self.panel.components.get(name) if self.panel else None


def _pressure(text: str, *codings: tuple[str, str]) -> Concept:
    return Concept(text, codings, ("mm[Hg]", "kPa"), "mm[Hg]")


def _pulse(mdc: str) -> Single:
    """nl-core asks a pulse here, never the zib heart rate; 8867-4 makes it FHIR's own vital sign as well."""
    codings = ((LOINC, "8893-0"), (LOINC, "8867-4"), (MDC, mdc))
    return Single(
        "pulse", Concept("Polsslag", codings, ("/min",), "/min"), NL_CORE + "nl-core-PulseRate.PulseRateValue"
    )


BLOOD_PRESSURE = Panel(
    part="blood-pressure",
    concept=Concept("Bloeddruk", ((LOINC, "85354-9"), (MDC, "150020"))),
    profile=NL_CORE + "nl-core-BloodPressure",
    components={
        "systolic": _pressure("Bovendruk (systolisch)", (LOINC, "8480-6"), (MDC, "150021")),
        "diastolic": _pressure("Onderdruk (diastolisch)", (LOINC, "8462-4"), (MDC, "150022")),
        "mean-arterial": _pressure(
            "Gemiddelde bloeddruk", (SNOMED, "6797001"), (LOINC, "8478-0"), (MDC, "150023")
        ),
    },
    required=("systolic", "diastolic"),
)

SPO2 = Single(
    "spo2",
    Concept("Zuurstofsaturatie", ((LOINC, "2708-6"), (LOINC, "59408-5"), (MDC, "150456")), ("%",), "%"),
    NL_CORE + "nl-core-O2Saturation",
)

PERFUSION_INDEX = Single(
    "perfusion-index",
    Concept("Perfusie-index", ((LOINC, "61006-3"), (MDC, "150488")), ("%",), "%"),
    VITAL_SIGNS,
)

KINDS = {
    "blood-pressure": Kind(BLOOD_PRESSURE, {"pulse-rate": _pulse("149546")}),
    "oximetry": Kind(
        None, {"spo2": SPO2, "pulse-rate": _pulse("149530"), "perfusion-index": PERFUSION_INDEX}
    ),
}
