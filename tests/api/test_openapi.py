"""Whatever the document allows, and what it does not: no answer is an error of the server."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from tests.api.conftest import Site

EXAMPLES = 12
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


@pytest.mark.parametrize("mode", MODES, ids=["valid", "invalid"])
def test_no_request_is_an_error_of_the_server(scored_alone: Site, mode: Any) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", scored_alone.client.app)
    statuses: Counter[int] = Counter()
    for found in schema.get_all_operations():

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=found.ok().as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            answer = case.call(headers=scored_alone.as_("admin"))
            assert answer.status_code < 500, (case.method, case.path, answer.status_code)
            statuses[answer.status_code] += 1

        with suppress(Unsatisfiable):  # a route without parameters has nothing to be invalid
            check()
    assert statuses.total() > 300
    assert statuses[422] > 20
    assert statuses[200] > 20 or mode is not MODES[0]
