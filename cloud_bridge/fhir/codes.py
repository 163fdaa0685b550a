"""The codes of each kind: LOINC, IEEE 11073 (MDC) and SNOMED CT, with the Dutch words for people.

Sources: nl-core R4 0.12.1 (Nictiz zib2020) for LOINC, SNOMED CT and units; HL7 Personal Health Devices guide
2.0.0 and IEEE 11073-10101 for MDC (partition x 65536 + term); LOINC 61006-3 and 41982-0 from loinc.org,
99504-3 from HL7's guide to continuous glucose monitoring 1.0.0. The coding that a nl-core profile fixes comes
first: some validators compare the lists position by position. Where no code is sure there are only words.
"""

from dataclasses import dataclass, field

LOINC = "http://loinc.org"
MDC = "urn:iso:std:iso:11073:10101"
SNOMED = "http://snomed.info/sct"

NL_CORE = "http://nictiz.nl/fhir/StructureDefinition/"
VITAL_SIGNS = "http://hl7.org/fhir/StructureDefinition/vitalsigns"
"""FHIR's own base profile: claimed where no Dutch one exists or where it does not hold (kPa, no value)."""
FHIR_BMI = "http://hl7.org/fhir/StructureDefinition/bmi"
NO_PROFILE = ""


@dataclass(frozen=True)
class Concept:
    """What is measured: Dutch words, its codings in order, and the UCUM units that a device may use.

    unit: the one that the nl-core profile demands; with another one the profile is not claimed.
    """

    text: str
    codings: tuple[tuple[str, str], ...] = ()
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
    """How a kind of reading is divided over Observations; singles and series by the name of their value.

    series: values that a reading has many of, in order: the components of one Observation.
    """

    panel: Panel | None
    singles: dict[str, Single] = field(default_factory=dict)
    series: dict[str, Single] = field(default_factory=dict)
    laboratory: bool = False

    def concept(self, name: str) -> Concept | None:
        """The concept of a value of this kind; None for a name that the kind does not have."""
        single = self.singles.get(name) or self.series.get(name)
        if single is not None:
            return single.concept
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


def _mass(part: str, text: str, *codings: tuple[str, str]) -> Single:
    return Single(part, Concept(text, codings, ("kg", "[lb_av]")), NO_PROFILE)


BODY_WEIGHT = Single(
    "body-weight",
    Concept("Lichaamsgewicht", ((LOINC, "29463-7"), (MDC, "188736")), ("kg", "[lb_av]"), "kg"),
    NL_CORE + "nl-core-BodyWeight",
)
# nl-core-BodyHeight wants cm, which no scale sends.
BODY_HEIGHT = Single(
    "body-height",
    Concept("Lichaamslengte", ((LOINC, "8302-2"), (MDC, "188740")), ("m", "[in_i]")),
    VITAL_SIGNS,
)
BMI = Single(
    "bmi",
    Concept("Body mass index (BMI)", ((LOINC, "39156-5"), (MDC, "188752")), ("kg/m2",), "kg/m2"),
    FHIR_BMI,
)

BODY_COMPOSITION = {
    "body-fat": Single(
        "body-fat", Concept("Lichaamsvet", ((LOINC, "41982-0"), (MDC, "188748")), ("%",)), VITAL_SIGNS
    ),
    "muscle-percentage": Single("muscle-percentage", Concept("Spieren", (), ("%",)), NO_PROFILE),
    "muscle-mass": _mass("muscle-mass", "Spiermassa"),
    "fat-free-mass": _mass("fat-free-mass", "Vetvrije massa", (MDC, "188756")),
    "soft-lean-mass": _mass("soft-lean-mass", "Vetvrije massa zonder bot", (MDC, "188760")),
    "body-water-mass": _mass("body-water-mass", "Lichaamswater", (MDC, "188764")),
    "impedance": Single("impedance", Concept("Lichaamsweerstand", (), ("Ohm",)), NO_PROFILE),
    "basal-metabolism": Single("basal-metabolism", Concept("Rustverbruik", (), ("kJ",)), NO_PROFILE),
    "body-weight": BODY_WEIGHT,
    "body-height": BODY_HEIGHT,
}

TEMPERATURE = Single(
    "body-temperature",
    Concept("Lichaamstemperatuur", ((LOINC, "8310-5"), (MDC, "150364")), ("Cel", "[degF]"), "Cel"),
    NL_CORE + "nl-core-BodyTemperature",
)

HEART_RATE = {
    "heart-rate": Single(
        "heart-rate",
        Concept("Hartfrequentie", ((LOINC, "8867-4"), (MDC, "147842")), ("/min",), "/min"),
        NL_CORE + "nl-core-HeartRate",
    ),
    "energy": Single("energy", Concept("Energieverbruik", (), ("kJ",)), NO_PROFILE),
}
RR_INTERVALS = {"rr-interval": Single("rr-interval", Concept("RR-interval", (), ("s",)), NO_PROFILE)}

GLUCOSE = Single("glucose", Concept("Glucose", (), ("mmol/L", "mg/dL")), NO_PROFILE)
"""Its codings depend on unit, meal and sample: glucose.py."""
HBA1C = Single("hba1c", Concept("HbA1c", ((MDC, "160220"),), ("%",)), NO_PROFILE)
KETONE = Single("ketone", Concept("Ketonen", (), ("mmol/L",)), NO_PROFILE)
CGM_GLUCOSE = {
    "glucose": Single(
        "glucose",
        Concept("Glucose (sensor)", ((LOINC, "99504-3"), (MDC, "160212")), ("mg/dL",)),
        NO_PROFILE,
    ),
    "trend": Single("trend", Concept("Verandering van de glucose", (), ("mg/dL/min",)), NO_PROFILE),
    "quality": Single("quality", Concept("Kwaliteit van de sensorwaarde", (), ("%",)), NO_PROFILE),
}

KINDS = {
    "blood-pressure": Kind(BLOOD_PRESSURE, {"pulse-rate": _pulse("149546")}),
    "oximetry": Kind(
        None, {"spo2": SPO2, "pulse-rate": _pulse("149530"), "perfusion-index": PERFUSION_INDEX}
    ),
    "weight": Kind(None, {"body-weight": BODY_WEIGHT, "bmi": BMI, "body-height": BODY_HEIGHT}),
    "body-composition": Kind(None, BODY_COMPOSITION),
    "temperature": Kind(None, {"body-temperature": TEMPERATURE}),
    "heart-rate": Kind(None, HEART_RATE, RR_INTERVALS),
    "glucose": Kind(None, {"glucose": GLUCOSE, "hba1c": HBA1C}, laboratory=True),
    "ketone": Kind(None, {"ketone": KETONE, "hba1c": HBA1C}, laboratory=True),
    "cgm-glucose": Kind(None, CGM_GLUCOSE, laboratory=True),
}
