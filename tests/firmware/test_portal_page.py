"""The setup page for those who see little, see no colours, hear it read aloud, or read slowly (WCAG 2.2 AA, B1)."""

import re

import pytest

from firmware.setup import page
from gateway.wire.catalogue import CODES
from tests.firmware.portal_fixtures import Page

NETWORKS = [(b"Thuis", -50, 3), ("Café".encode(), -70, 0), (b"Buren van hiernaast met lange na", -90, 4)]
LANGUAGES = ("nl", "en")


def whole(language, *, code="", chosen=b"", middle=()):
    parts = [*page.top(language)]
    if code:
        parts.append(page.problem(language, code))
    parts += middle or page.form(language, NETWORKS, "00112233", chosen)
    return Page("".join([*parts, page.BOTTOM]))


PAGES = [
    pytest.param((language, kind), id=f"{LANGUAGES[language]}-{kind}")
    for language in (0, 1)
    for kind in ("form", "again", "error", "done", "trying")
]


@pytest.fixture(params=PAGES)
def shown(request):
    language, kind = request.param
    if kind == "form":
        return language, whole(language)
    if kind == "again":
        return language, whole(language, code="wifi-password-wrong", chosen=b"Thuis")
    if kind == "error":
        return language, whole(language, code="portal-stale", middle=[page.back(language)])
    return language, whole(language, middle=[page.trying(language), page.done(language)])


def test_language_title_and_one_heading(shown):
    language, page = shown
    assert page.all("html") == [{"lang": LANGUAGES[language]}]
    assert len(page.all("title")) == len(page.all("h1")) == len(page.all("main")) == 1
    assert page.all("meta")[0] == {"charset": "utf-8"}


def test_a_reader_may_enlarge_and_nothing_moves_by_itself(shown):
    _, page = shown
    (viewport,) = [one["content"] for one in page.all("meta") if one.get("name") == "viewport"]
    assert "maximum" not in viewport
    assert "user-scalable" not in viewport
    assert not [one for one in page.all("meta") if "http-equiv" in one]
    assert not page.all("script") + page.all("iframe") + page.all("img")
    for word in ("animation", "transition", "url(", "@import", "outline:0", "outline:none", "!important"):
        assert word not in page.style


def test_nothing_comes_from_elsewhere(shown):
    _, page = shown
    for _, attributes in page.elements:
        for name in ("href", "src", "action"):
            assert attributes.get(name, "/").startswith("/")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_every_field_has_a_label_and_every_identity_is_one():
    for language in (0, 1):
        page = whole(language)
        texts = [one for one in page.all("input") if one["type"] == "text"]
        assert [one["id"] for one in texts] == ["other", "password"]
        assert {"other", "password"} <= set(page.labelled)
        assert len(page.all("legend")) == len(page.all("fieldset")) == 1
        assert len(page.all("button")) == 1
        radios = [words for of, words in page.labelled.items() if of == ""]
        assert radios
        identities = [one["id"] for _, one in page.elements if "id" in one]
        assert len(identities) == len(set(identities))


def test_the_other_language_says_which_it_is(shown):
    language, page = shown
    other = LANGUAGES[1 - language]
    assert {"lang": other, "hreflang": other, "href": f"/?lang={other}"} in page.all("a")


def test_what_happens_is_told_to_who_listens():
    assert "wachtwoord" in whole(0, code="wifi-password-wrong").roles["alert"]
    assert "lukt" in whole(0, middle=[page.done(0)]).roles["status"]


def table(language):
    return dict(line.split("=", 1) for line in page.WORDS[language].strip().split("\n"))


@pytest.mark.parametrize("code", [key for key in table(0) if "-" in key])
def test_sentences_are_those_of_the_catalogue(code):
    assert (page.words(0, code), page.words(1, code)) == CODES[code][1:]


def test_a_code_without_words_of_its_own_still_says_something():
    assert page.words(0, "portal-method") == table(0)["otherwise"]
    assert page.words(1, "nonsense") == table(1)["otherwise"]


def test_dutch_is_short_and_both_languages_are_there():
    dutch, english = table(0), table(1)
    assert list(dutch) == list(english)
    assert all(dutch.values())
    assert all(english.values())
    for words in dutch.values():
        for sentence in re.split(r"[.?]", words):
            assert len(sentence.split()) <= 15, words


# Colours and sizes, read from the style sheet that is sent.


def rules(style):
    """Selector: {property: value}, of the light or the dark look."""
    found = {}
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", style):
        for selector in selectors.split(","):
            found.setdefault(selector, {}).update(part.split(":", 1) for part in body.split(";") if part)
    return found


@pytest.fixture(scope="module")
def looks():
    style = whole(0).style
    light, _, dark = style.partition("@media(prefers-color-scheme:dark){")
    light_rules, dark_rules = rules(light), rules(dark[:-1])
    both = {key: {**light_rules.get(key, {}), **dark_rules.get(key, {})} for key in light_rules | dark_rules}
    return light_rules, both


def light_of(colour):
    digits = colour.lstrip("#")
    digits = "".join(2 * sign for sign in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    bright, dim = sorted((light_of(one), light_of(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def colour_in(text):
    return re.search(r"#[0-9a-f]{3,6}", text)[0]


@pytest.mark.parametrize("look", [0, 1], ids=["light", "dark"])
def test_contrast(looks, look):
    rule = looks[look]
    ground = rule["body"]["background"]
    assert contrast(rule["body"]["color"], ground) >= 7
    assert contrast(rule["a"]["color"], ground) >= 7
    assert contrast(rule["button"]["color"], rule["button"]["background"]) >= 7
    for selector in ("fieldset", "input[type=text]"):
        border = rule[selector].get("border-color") or colour_in(rule[selector]["border"])
        assert contrast(border, ground) >= 3, selector
    outline = rule[":focus-visible"].get("outline-color") or colour_in(rule[":focus-visible"]["outline"])
    assert contrast(outline, ground) >= 3


def test_sizes(looks):
    rule = looks[0]
    assert int(re.match(r"(\d+)px", rule["body"]["font"])[1]) >= 20
    for selector in ("a", "fieldset label", "input[type=text]", "button"):
        assert int(rule[selector]["min-height"].rstrip("px")) >= 44, selector
    assert rule["input[type=text]"]["width"] == rule["button"]["width"] == "100%"


def test_it_fits_320_pixels(looks):
    style = whole(0).style
    widths = [int(px) for px in re.findall(r"[^-]width:(\d+)px", style)]
    assert all(width <= 288 for width in widths)
    assert "min-width" not in style
    assert "nowrap" not in style
    assert looks[0]["fieldset label"]["overflow-wrap"] == "anywhere"
    assert looks[0]["*"]["box-sizing"] == "border-box"
