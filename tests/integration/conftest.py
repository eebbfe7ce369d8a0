"""Helpers of the tests that need a broker."""

import os
from collections import defaultdict

import pytest

from tests.conftest import free_port


def by_key(messages) -> dict[bytes, list[bytes]]:
    """{key: values in order} of messages or records."""
    grouped = defaultdict(list)
    for message in messages:
        grouped[message.key].append(message.value)
    return grouped


@pytest.fixture
def elsewhere(tmp_path):
    """The environment of a broker at another port and in another folder, which is stopped at the end.

    `Settings.from_environment(elsewhere)` are its settings.
    """
    from lib import infra
    from lib.settings import Settings

    environment = {"STREAM_BUILD_DIR": str(tmp_path), "STREAM_BOOTSTRAP_SERVERS": f"localhost:{free_port()}"}
    yield environment
    infra.down(Settings.from_environment(os.environ | environment))
