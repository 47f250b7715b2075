"""Fixtures of the tests of the whole stack."""

import uuid
from collections.abc import AsyncIterator

import aiohttp
import pytest


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def room() -> str:
    """A room that no other test uses."""
    return f"test-{uuid.uuid4().hex[:8]}"
