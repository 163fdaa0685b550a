"""One configuration file: every key documented, every wrong one refused with file and line."""

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.config import SCHEMA, BluetoothEntry, Config, ConfigError, SerialEntry, load, make_data_directory
from tests.gateway.config_fixtures import STATE_KEY, TEXT, write

EXAMPLE = Path(__file__).parents[2] / "gateway" / "meethub.example.toml"
REQUIRED = {name: rule for table in SCHEMA.values() for name, rule in table.items() if rule.required}


def refusal(folder, text, code="config-key"):
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text))
    assert caught.value.code == code
    return caught.value.detail


# --- the example ---


def test_the_example_loads():
    config = load(EXAMPLE)
    assert config.hub == "hub-0001"
    assert config.bluetooth == (BluetoothEntry("C0:FF:EE:00:00:01", "blood-pressure"),)
    assert config.serial == (SerialEntry("/dev/serial/by-id/usb-oximeter", "nonin-serial"),)


def test_the_example_shows_every_key_and_no_other():
    tree = tomllib.loads(EXAMPLE.read_text())
    shown = {(name, key) for name, table in tree.items() for key in table if key != "device"}
    shown |= {(f"{name}.device", key) for name in ("bluetooth", "serial") for key in tree[name]["device"][0]}
    assert shown == {(name, key) for name, table in SCHEMA.items() for key in table}


def test_the_example_shows_the_defaults():
    tree = tomllib.loads(EXAMPLE.read_text())
    for name, table in SCHEMA.items():
        section, _, row = name.partition(".")
        shown = tree[section][row][0] if row else tree[section]
        for key, rule in table.items():
            if not rule.required:
                assert shown[key] == rule.default, key


def test_every_key_of_the_example_says_what_it_is():
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"\w+ =", line):
            assert "#" in line + lines[number - 1], line


# --- what it says ---


def test_paths_count_from_the_files_folder(tmp_path):
    config = load(write(tmp_path))
    assert (config.data, config.ca, config.certificate) == (
        tmp_path / "data",
        tmp_path / "ca.pem",
        tmp_path / "hub.pem",
    )


def test_what_is_left_out_has_its_default(tmp_path):
    config = load(write(tmp_path))
    assert (config.space_bytes, config.port) == (512 << 20, 8883)
    assert (config.first_delay_s, config.longest_delay_s) == (60, 600)
    assert config.log_format == "text"
    assert config.state_key.hex() == STATE_KEY


def test_a_hub_without_devices_is_a_hub(tmp_path):
    text = TEXT.partition("[bluetooth]")[0]
    config = load(write(tmp_path, text))
    assert (config.adapter, config.bluetooth, config.serial) == ("hci0", (), ())


def test_several_devices_of_a_kind(tmp_path):
    more = '\n[[serial.device]]\nport = "ttyTWO"\ndriver = "nonin-serial"\n'
    assert [entry.port for entry in load(write(tmp_path, TEXT + more)).serial] == ["ttyOX", "ttyTWO"]


# --- what is refused ---


@pytest.mark.parametrize("key", sorted(REQUIRED))
def test_a_missing_key_is_named_with_its_section(tmp_path, key):
    *_, line = re.finditer(rf"^{key} = .*\n", TEXT, re.MULTILINE)
    detail = refusal(tmp_path, TEXT[: line.start()] + TEXT[line.end() :])
    assert re.search(rf"gateway.toml:\d+: {key}: missing in \[", detail)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('id = "hub-1"', 'id = "hub 1"'),
        ('id = "hub-1"', 'id = ""'),
        ('id = "hub-1"', "id = 1"),
        ('id = "hub-1"', 'id = "' + "h" * 33 + '"'),
        ('data = "data"', 'data = ""'),
        ('data = "data"', "space_mb = 0"),
        ('data = "data"', "space_mb = 1.5"),
        ('data = "data"', "space_mb = true"),
        ('data = "data"', 'space_mb = "512"'),
        ('data = "data"', "sapce_mb = 512"),
        ('host = "127.0.0.1"', 'host = ["a"]'),
        ("port = 8883", "port = 65536"),
        ("port = 8883", "port = 0"),
        ("port = 8883", "first_delay_s = -1"),
        ("port = 8883", "longest_delay_s = 0"),
        (f'state_key = "{STATE_KEY}"', 'state_key = "5a"'),
        (f'state_key = "{STATE_KEY}"', f'state_key = "{STATE_KEY.upper()}"'),
        ('adapter = "none"', "adapter = 0"),
        ('address = "C0:FF:EE:00:00:01"', 'address = "c0:ff:ee:00:00:01"'),
        ('address = "C0:FF:EE:00:00:01"', 'address = "C0:FF:EE:00:00"'),
        ('driver = "blood-pressure"', 'driver = "scale-of-mine"'),
        ('driver = "nonin-serial"', 'driver = "nonin"'),
        ('driver = "nonin-serial"', 'drivre = "nonin-serial"'),
    ],
)
def test_a_wrong_value_is_refused_on_its_line(tmp_path, line, wrong):
    text = TEXT.replace(line, wrong, 1)
    number = text.splitlines().index(wrong) + 1
    detail = refusal(tmp_path, text)
    assert detail.startswith(f"{tmp_path}/gateway.toml:{number}: {wrong.partition(' ')[0]}: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT + "\n[mqtt]\nx = 1\n", "mqtt: there is no such section"),
        ("hub = 1\n" + TEXT.replace("[hub]", "[hubb]"), "hubb: there is no such section"),
        ("hub = 1\n", "hub: must be a section"),
        (TEXT.replace("[[serial.device]]", "[serial.device]"), "write it as [[serial.device]]"),
        (TEXT + "\n[serial.cable]\nx = 1\n", "only [[serial.device]] belongs here"),
        (TEXT.replace("[log]", "") + '\n[log]\nformat = "xml"\n', "format: must be text or json"),
    ],
)
def test_a_wrong_section_is_refused(tmp_path, text, said):
    assert re.search(rf":\d+: .*{re.escape(said)}", refusal(tmp_path, text))


def test_a_key_with_the_same_name_elsewhere_does_not_mislead(tmp_path):
    """`port` stands in [bridge] and in [[serial.device]]."""
    text = TEXT.replace('port = "ttyOX"', "port = 5")
    number = text.splitlines().index("port = 5") + 1
    assert f":{number}: port" in refusal(tmp_path, text)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_of_several_devices_the_wrong_one_is_named(tmp_path, index):
    rows = [f'[[serial.device]]\nport = "tty{n}"\ndriver = "nonin-serial"\n' for n in range(3)]
    rows[index] = rows[index].replace("nonin-serial", "no-such-driver")
    text = TEXT.partition("[[serial")[0] + "".join(rows)
    number = text.splitlines().index('driver = "no-such-driver"') + 1
    assert f":{number}: driver: must be" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "row", [TEXT[TEXT.index("[[serial") :], TEXT[TEXT.index("[[blue") : TEXT.index("[[serial")]]
)
def test_a_device_that_stands_there_twice_is_refused(tmp_path, row):
    text = TEXT + "\n" + row
    key = row.splitlines()[1]
    number = len(text.splitlines()) - text.splitlines()[::-1].index(key)
    assert f":{number}: {key.partition(' ')[0]}: stands here twice" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("right", "wrong"), [("blood-pressure", "nonin-serial"), ("nonin-serial", "blood-pressure")]
)
def test_a_driver_of_the_other_kind_is_refused(tmp_path, right, wrong):
    assert "driver: must be" in refusal(tmp_path, TEXT.replace(f'"{right}"', f'"{wrong}"'))


def test_text_that_is_no_toml_is_refused_with_its_line(tmp_path):
    assert re.search(r"line 2\b", refusal(tmp_path, "[hub]\nid = \n", "config-syntax"))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "no.toml")
    assert (caught.value.code, caught.value.detail) == (
        "config-unreadable",
        f"{tmp_path}/no.toml: No such file or directory",
    )


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_bytes(b"\xff\xfe[hub]")
    with pytest.raises(ConfigError, match="config-unreadable"):
        load(path)


def attempt(folder, text):
    try:
        return load(write(folder, text))
    except ConfigError as error:
        return error


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("config")


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(codec="utf-8")))
@example("[bluetooth]\ndevice = 1\n")
@example("[[hub]]\n")
@example("serial = 1\n[hub]\n")
@example("[hub]\nid.x = 1\n")
def test_any_text_gives_a_configuration_or_its_own_error(folder, text):
    check(attempt(folder, text))


def check(found):
    if isinstance(found, ConfigError):
        assert found.code in ("config-key", "config-syntax", "config-unreadable")
        assert re.search(r"gateway.toml(:\d+)?: ", found.detail)
    else:
        assert isinstance(found, Config)


VALUES = st.sampled_from(
    ['""', '"x"', "1", "-1", "0.5", "true", "[]", "[1]", "{}", "{x = 1}", "1979-05-27", '"""a\nb"""']
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_change_of_a_good_file_gives_a_configuration_or_its_own_error(folder, data):
    lines = TEXT.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        how = data.draw(st.sampled_from(["drop", "double", "value", "move", "comment"]))
        if how == "drop":
            lines[at] = ""
        elif how == "double":
            lines[at] += "\n" + lines[at]
        elif how == "value" and "=" in lines[at]:
            lines[at] = lines[at].partition("=")[0] + "= " + data.draw(VALUES)
        elif how == "move":
            lines.append(lines.pop(at))
        else:
            lines[at] = "# " + lines[at]
    check(attempt(folder, "\n".join(lines) + "\n"))


# --- its data directory ---


def test_the_data_directory_is_for_this_user_alone(tmp_path):
    config = load(write(tmp_path))
    make_data_directory(config)
    make_data_directory(config)
    assert config.data.stat().st_mode & 0o777 == 0o700


def test_a_data_directory_that_cannot_be_made_is_said(tmp_path):
    config = load(write(tmp_path))
    config.data.write_text("in the way")
    with pytest.raises(ConfigError, match="data-not-writable"):
        make_data_directory(config)
