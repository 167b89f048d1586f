"""Keys: from a file or not at all; mobile numbers under several versions at once. Milliseconds; needs nothing."""

import base64
import json
import secrets
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from connect_gateway.keys import (
    Keys,
    KeysError,
    generate_keys_file,
    hash_secret,
    load_keys,
    mask_mobile,
)

NUMBER = "09123456789"
OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def keys(mobile: dict[int, bytes] | None = None) -> Keys:
    return Keys(bytes(32), bytes([7]) * 32, mobile or {1: OLD})


def test_a_generated_file_is_private_random_and_never_written_over(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    generate_keys_file(first)
    generate_keys_file(second)
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert load_keys(first).verification_code("x") != load_keys(second).verification_code("x")
    text = first.read_text()
    with pytest.raises(KeysError, match="never overwritten"):
        generate_keys_file(first)
    assert first.read_text() == text


@pytest.mark.parametrize("missing", ["receipt", "index", "mobile"])
def test_an_incomplete_file_is_refused(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "keys.json"
    generate_keys_file(path)
    data = json.loads(path.read_text())
    del data[missing]
    path.write_text(json.dumps(data))
    with pytest.raises(KeysError, match="no keys file|not a keys file"):
        load_keys(path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"receipt": 1, "index": 1, "mobile": {}}', '{"receipt": "AAAA"', "\x00"],
)
def test_what_is_no_keys_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(KeysError):
        load_keys(path)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_has_32_bytes(tmp_path: Path, length: int) -> None:
    good, other = (base64.b64encode(secrets.token_bytes(size)).decode() for size in (32, length))
    path = tmp_path / "keys.json"
    for data in (
        {"receipt": other, "index": good, "mobile": {"1": good}},
        {"receipt": good, "index": good, "mobile": {"1": other}},
        {"receipt": good, "index": good, "mobile": {}},
        {"receipt": good, "index": good, "mobile": {"one": good}},
    ):
        path.write_text(json.dumps(data))
        with pytest.raises(KeysError, match="not a keys file"):
            load_keys(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="cannot read .*No such file"):
        load_keys(tmp_path / "keys.json")


def test_a_mobile_number_is_sealed_differently_each_time_and_found_by_one_index() -> None:
    first, second = keys().seal_mobile(NUMBER), keys().seal_mobile(NUMBER)
    assert first.sealed != second.sealed
    assert first.index == second.index
    assert NUMBER.encode() not in first.sealed + first.index
    assert keys().open_mobile(1, first.sealed) == NUMBER
    assert Keys(bytes(32), bytes(32), {1: OLD}).seal_mobile(NUMBER).index != first.index


def test_the_newest_key_seals_and_every_one_opens() -> None:
    old = keys().seal_mobile(NUMBER)
    rotated = keys({1: OLD, 2: NEW})
    new = rotated.seal_mobile(NUMBER)
    assert (old.key_version, new.key_version) == (1, 2)
    assert rotated.open_mobile(1, old.sealed) == rotated.open_mobile(2, new.sealed) == NUMBER
    assert old.index == new.index
    with pytest.raises(KeysError, match="version 1"):
        keys({2: NEW}).open_mobile(1, old.sealed)


def test_a_sealed_number_that_was_touched_does_not_open() -> None:
    sealed = keys().seal_mobile(NUMBER).sealed
    with pytest.raises(InvalidTag):
        keys().open_mobile(1, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(InvalidTag):
        keys({1: NEW}).open_mobile(1, sealed)


def test_what_people_see_of_a_number() -> None:
    assert mask_mobile(NUMBER) == "09*****6789"


def test_a_verification_code_reads_well_and_hangs_on_every_character() -> None:
    code = keys().verification_code("0166-001-00000001|COLLECT")
    assert len(code) == 9
    assert code[4] == "-"
    assert set(code.replace("-", "")) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    assert keys().verification_code("0166-001-00000001|COLLECT") == code
    assert keys().verification_code("0166-001-00000002|COLLECT") != code


def test_secrets_are_kept_as_hashes() -> None:
    assert len(hash_secret("a secret")) == 32
    assert hash_secret("a secret") != hash_secret("another")
