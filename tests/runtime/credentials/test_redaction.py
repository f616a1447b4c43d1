from __future__ import annotations

import pytest

from pptsn.runtime.credentials.redaction import holds_password, redacted, secrets_in


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:sesame@host:554/live", "rtsp://host:554/live"),
        ("rtsp://admin@host/live", "rtsp://host/live"),
        ("http://admin:p@ss@host/live", "http://host/live"),
        ("http://host/@home/live", "http://host/@home/live"),
        ("http://host/live?channel=1&password=sesame&size=2", "http://host/live?channel=1&password=***&size=2"),
        ("http://host/live?Api_Key=sesame", "http://host/live?Api_Key=***"),
        ("http://host/live?accessToken=sesame#t=1", "http://host/live?accessToken=***#t=1"),
        ("http://host/live?X-Amz-Signature=sesame&sig=sesame", "http://host/live?X-Amz-Signature=***&sig=***"),
        ("http://host/live?p%61ss=sesame", "http://host/live?p%61ss=***"),
        ("http://host/live?auth=a=b", "http://host/live?auth=***"),
        ("rtsp://host/user=admin_password=sesame_channel=1.sdp", "rtsp://host/user=***"),
        ("rtspsrc location=rtsp://a:sesame@host/x?token=y user-pw=sesame ! x264enc key-int-max=30",
         "rtspsrc location=rtsp://host/x?token=*** user-pw=*** ! x264enc key-int-max=30"),
        ('rtspsrc user-id="ad min" user-pw=\'ses ame\' ! fakesink', "rtspsrc user-id=*** user-pw=*** ! fakesink"),
        ("clips/pass=1.mp4 and no URL", "clips/pass=*** and no URL"),
        ("a=b=c=token=sesame&d=\"key='ses ame' e\"", "a=b=c=token=***&d=\"key=*** e\""),
        ("token=&size=2", "token=***&size=2"),
    ],
)  # fmt: skip
def test_what_is_secret_is_masked_and_the_rest_stays(text: str, shown: str):
    assert redacted(text) == shown


def test_secrets_can_be_found_and_masked_elsewhere():
    secrets = secrets_in("rtsp://ad%20min:ses%61me@host/?token=abcd user-pw='x y z'")
    assert {"ses%61me", "sesame", "ad min", "abcd", "x y z"} <= secrets
    assert redacted("cannot log in as ad min with sesame", secrets=secrets) == "cannot log in as *** with ***"


def test_a_secret_of_a_letter_or_two_does_not_blot_out_messages():
    assert secrets_in("http://a:b@host/?token=ab") == {"a:b"}


def test_secrets_are_found_in_the_values_of_what_is_none():
    assert secrets_in("rtspsrc location=rtsp://h/x?token=abcd latency=3") == {"abcd"}
    assert holds_password("rtspsrc location=rtsp://h/x?token=abcd")
    assert not holds_password("rtspsrc location=rtsp://h/x?token=${TOKEN} latency=3")


@pytest.mark.parametrize(
    "text",
    ["a=" * 5_000, "a" * 200_000, "rtsp://h/?x=" + "y=%" * 50_000],
    ids=["of parameters in one another", "of one word", "of many words"],
)
def test_texts_of_any_length_and_depth_are_read_in_one_go(text: str):
    """By a search that tries every letter for a beginning these would take minutes, or Python's whole stack."""
    assert redacted(text) == text
    assert secrets_in(text) == frozenset()
