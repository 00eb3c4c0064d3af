"""Secrets that are detected by their pattern, and texts that are not."""

from __future__ import annotations

import json
import time

import pytest

from otel_dspy.telemetry.secrets.patterns import REDACTED
from otel_dspy.telemetry.secrets.scrubber import SecretKeeper

PROJECT_KEY = "sk-proj-Ab3dEf6hIj9kLm2nOp5q"
BASIC = "dXNlcjpwYXNzd29yZA=="


@pytest.mark.parametrize(
    "text",
    [
        f"key {PROJECT_KEY} end",
        f"api_key={PROJECT_KEY}",
        f'{{"k":"{PROJECT_KEY}"}}',
        json.dumps(f"line\n{PROJECT_KEY}\nline"),
        json.dumps(json.dumps(f"tab\t{PROJECT_KEY}")),
        json.dumps(f"bell\x07{PROJECT_KEY}"),
        f"http://host/?key={PROJECT_KEY}&x=1",
    ],
)
def test_a_key_is_detected_by_pattern_anywhere(text: str) -> None:
    """Also after an escape in JSON text, whose last character is a letter or digit."""
    assert PROJECT_KEY not in SecretKeeper().scrub(text)
    assert REDACTED in SecretKeeper().scrub(text)


@pytest.mark.parametrize(
    "key",
    [
        "sk-ant-api03-AbCdEfGhIjKlMnOp",
        "hf_AbCdEfGhIjKlMnOpQrSt",
        "ghp_AbCdEfGhIjKlMnOpQrSt12",
        "github_pat_11AbCdEfGh_IjKlMnOpQr",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "xoxb-1234567890-abcdef",
        "AIza" + "SyA1234567890abcdefghijklmnopqrstu",
        "Bearer abcdef1234567890",
        "bearer  eyJhbGciOiJIUzI1NiJ9.e30.abc",
        "Authorization: Bearer onlyletters",
        f'"authorization":"Basic {BASIC}"',
        json.dumps({"Authorization": f"Basic {BASIC}"}),
        json.dumps(json.dumps({"Authorization": f"Basic {BASIC}"})),
    ],
)
def test_shapes_of_keys(key: str) -> None:
    """Each provider's kind of key, and headers by their name."""
    scrubbed = SecretKeeper().scrub(f"before {key} after")
    assert scrubbed.startswith("before ")
    assert scrubbed.endswith(" after")
    assert REDACTED in scrubbed
    assert key.strip('"').split()[-1].strip('}"\\') not in scrubbed


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("AKIA0123456789ABCDEF xoxb-0123456789ab AIza0123456789abcdefghij0123456789abcde", " ".join([REDACTED] * 3)),
        (
            " ".join(f"{start}0123456789abcdef" for start in ("hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")),
            " ".join([REDACTED] * 7),
        ),
        (
            "the key, secret, credential, cookie, bearer and token of the author: password=hunter2hunter2",
            f"the key, secret, credential, cookie, bearer and token of the author: password={REDACTED}",
        ),
    ],
)  # fmt: skip
def test_keys_of_all_formats_in_one_text(text: str, scrubbed: str) -> None:
    """Each is found beside all others."""
    assert SecretKeeper().scrub(text) == scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=4096, stop_tokens, tokenizer",
        "a task-oriented, risk-adjusted-return-on-capital model",
        "the class sk-circle-fade-dot-animation spins",
        "sk-learn and sk-learn-contrib-style-estimators",
        "The bearer presented certificates; bearer authentication is described in RFC 6750.",
        "authorization: required documents are listed below",
        "see http://localhost:8080/path and mail me@example.com",
        '{"url":"http://localhost:8080","mail":"me@example.com"}',
        '{\\"url\\":\\"http://localhost:8080\\",\\"mail\\":\\"me@example.com\\"}',
        "ratio 3:1 @ noon, a://b",
        "git@example.com:owner/repo.git",
        "hf_hub, ghp_, AKIA",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """Nothing that merely looks a little like a secret is touched, and JSON stays JSON."""
    assert SecretKeeper().scrub(text) == text


@pytest.mark.parametrize(
    ("url", "scrubbed"),
    [
        ("postgresql://me:s3cret@db:5432/x", f"postgresql://{REDACTED}@db:5432/x"),
        ("redis://:s3cret@cache", f"redis://{REDACTED}@cache"),
        ("https://me:p@ss@host/a@b", f"https://{REDACTED}@host/a@b"),
        ("http://me@host/ and http://host:80/", "http://me@host/ and http://host:80/"),
        ("https://s3cr3ttok3n@host/x", f"https://{REDACTED}@host/x"),
        ("http://tok3n@host", f"http://{REDACTED}@host"),
        ("http://host/v1?api_key=plainsecret&x=1", f"http://host/v1?api_key={REDACTED}&x=1"),
        ("http://host/v1?x=1&token=word", f"http://host/v1?x=1&token={REDACTED}"),
        ("http://host/v1?max_tokens=12345678&q=a1b2c3d4", "http://host/v1?max_tokens=12345678&q=a1b2c3d4"),
    ],
)
def test_passwords_in_urls(url: str, scrubbed: str) -> None:
    """User and password go, host and path stay; an `@` in the password leaves no tail."""
    assert SecretKeeper().scrub(f"at {url}, then") == f"at {scrubbed}, then"


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "sk-",
        "sk-a",
        "bearer ",
        "bearer a",
        "://",
        "http://a",
        "http://a:",
        "authorization ",
        "authorization:bearer ",
        '{"text": "ordinary words, http://host/path?x=1"} ',
        "\\n",
        '"password": "',
        "'a_token': '\\",
        '\\"key',
        '\\"a-secret-b\\":\\"c\\\\',
        "token",
        "token=",
        "password = a1b2c3d4 ",
        "a_secret-",
        "http://a1",
        "?token=a",
        "://a1b2",
    ],
)
def test_a_long_text_takes_no_long_time(unit: str) -> None:
    """1 MB of the worst repetitions is scrubbed in linear time: seconds of the bound are for a busy machine."""
    keeper = SecretKeeper()
    for number in range(20):
        keeper.learn(f"learned-secret-{number}")
    text = unit * (1_000_000 // len(unit)) + " ://"
    began = time.thread_time()
    keeper.scrub(text)
    assert time.thread_time() - began < 2
